// What clusters of one machine must not share: the tag in names of interfaces, rules and control groups, the network of
// containers, the ports of applications.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/files.h"
#include "cluster/settings/settings.h"

namespace rivera::cluster {

// What one owner holds on this machine.
struct Holding {
  std::string owner;         // "the cluster in /srv/rivera/var", "garden (pid 12)"
  std::string tag;           // "" holds none
  std::string network_pool;  // "10.254.0.0/22"; "" holds none
  std::uint32_t first_port = 0;
  std::uint32_t port_count = 0;
};

// What other clusters and gardens hold that run at the moment. Clusters are found by their supervisors, gardens by
// their flags; those in other network namespaces share no addresses and no ports with ours.
std::vector<Holding> holdings_of_others(const Settings& settings);

// Throws Problem if a setting has what another living owner holds; names the owner and the setting.
void require_unheld(const Settings& settings, const std::vector<Holding>& held);

// Gives the settings in `chosen` values that nothing on this machine holds: a tag and a network that follow
// from the cluster's directory, the default ports or others. A value that the cluster already had stays as long as it
// is not held. Throws Problem if nothing is free.
void choose_holdings(Settings& settings, const std::vector<Holding>& held, bool is_new);

// Keeps other ./run of this machine from choosing at the same time, for as long as it lives. Waits for its turn; throws
// Problem after a minute.
class ChoosingTurn {
 public:
  ChoosingTurn();

 private:
  base::UniqueFd lock_;
};

}  // namespace rivera::cluster
