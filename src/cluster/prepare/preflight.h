// What must hold before a cluster can start.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "cluster/settings/settings.h"

namespace rivera::cluster {

// Something the user has to change; the message is one line that says what.
class Problem : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Each throws Problem.
void require_root();
void require_programs(const Settings& settings);  // our own binaries, nats-server, runc
void require_free_ports(
    const Settings& settings,
    const std::vector<std::uint16_t>& held_by_ourselves);  // "port 28089 is in use by nginx (pid 123); ..."

// "nginx (pid 123)", "another program" if that is unknown, "" if no program listens on that TCP port.
std::string listener_on(std::uint16_t port);

}  // namespace rivera::cluster
