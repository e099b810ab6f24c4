// What must hold before a cluster can start.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/files.h"
#include "cluster/settings/settings.h"

namespace rivera::cluster {

// Something the user has to change; the message is one line that says what.
class Problem : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Each throws Problem.
void require_root();
// The directory of the cluster is one whose sockets have names that the kernel accepts, and that can be given to others
// as part of their configuration.
void require_usable_directory(const Settings& settings);
void require_programs(const Settings& settings);  // our own binaries, nats-server, runc
void require_free_ports(
    const Settings& settings,
    const std::vector<std::uint16_t>& held_by_ourselves);  // "port 28089 is in use by nginx (pid 123); ..."

// Whether a program listens on one of `count` TCP ports from `first` on.
bool is_listened_on(std::uint32_t first, std::uint32_t count);

// "nginx (pid 123)", "another program" if that is unknown, "" if no program listens on that TCP port.
std::string listener_on(std::uint16_t port);
void require_own_address(const Settings& settings);  // of an interface of this machine
// The directory of the cluster accepts the files that a start writes. Leaves nothing behind.
void require_room(const Settings& settings);

// Keeps other commands off the cluster of one directory for as long as it lives: two ./run, or a ./run and a ./run
// down, take turns. Waits for its turn, and says so; throws Problem after ten minutes.
class ClusterTurn {
 public:
  explicit ClusterTurn(const Settings& settings);

 private:
  base::UniqueFd lock_;
};

}  // namespace rivera::cluster
