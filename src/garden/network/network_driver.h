// The host's side of the containers' network: bridges, veth pairs, addresses, rules (docs/spec/garden.md §3).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/log/log.h"
#include "garden/firewall/firewall_watch.h"
#include "garden/host/host.h"
#include "garden/host/options.h"
#include "garden/network/container_network.h"
#include "garden/network/netlink.h"

namespace rivera::garden {

class Nftables;

// Changes the host's network, and knows what it should be like: what other processes change is restored. Every call
// blocks and is for one thread at a time; each throws on failure, naming what it did.
class NetworkDriver {
 public:
  NetworkDriver(const Options& options, const Host& host, base::Logger logger);
  ~NetworkDriver();

  const std::string& external_ip() const { return external_ip_; }
  std::uint32_t mtu() const { return mtu_; }
  std::string table() const { return table_name(firewall_options_); }

  // A container of an earlier server; `init` is the pidfd of its first process, not ours, -1 if that has ended.
  struct Found {
    ContainerNetwork network;
    int init = -1;
  };
  // Replaces the tables by ones with the rules of these containers, and turns on forwarding.
  void start(const std::vector<Found>& containers);
  // Connects the container whose first process will be in that network namespace. After a failure it must be
  // disconnected.
  void connect(const ContainerNetwork& network, int network_namespace);
  // The first process of a connected container runs: what others remove of its devices is made again as long as it
  // does. Without effect if the container is disconnected by now.
  void watch(const std::string& id, int pidfd);
  // Removes a container's rules, once it has no host end any more; and its bridge, if `bridge_too`. Without error for
  // what does not exist.
  void disconnect(const ContainerNetwork& network, bool bridge_too);
  // These throw GardenError for a container that is not connected. After a failure nothing has changed.
  void add_port(const std::string& id, const clients::garden::PortMapping& port);
  void add_net_out(const std::string& id, const std::vector<clients::garden::NetOutRule>& rules);

  // Makes the tables again, and logs why.
  void restore_rules(const FirewallWatch::Change& cause);
  // Looks at forwarding, and at the bridges and host ends of all containers; restores what is missing, and logs it.
  void restore_devices();

  // Removes the tables and left bridges of ours in `pool`, and undoes what start() changed on the host.
  void remove_everything(const Subnet& pool);

 private:
  struct Connected {
    ContainerNetwork network;
    base::UniqueFd init;
    bool is_complete = false;  // all devices were made, and its first process has run
    std::string complaint;     // the last failure to restore its devices, which was logged
  };
  Connected& connected(const std::string& id);
  void apply(const std::string& commands);
  void rebuild();
  std::string commands_for(const PortClaims::Change& change) const;
  void turn_on_forwarding();
  void restore_bridges(Netlink& host);
  void restore_host_end(Netlink& host, Connected& container, const std::map<std::string, Netlink::Link>& links);

  FirewallOptions firewall_options_;
  std::string tag_;
  std::string saved_forwarding_path_;
  std::string external_ip_;
  std::uint32_t mtu_ = 1500;
  base::Logger logger_;
  std::unique_ptr<Nftables> nftables_;
  std::map<std::string, Connected> containers_;  // by the network's id, which grows with time
  PortClaims ports_;
};

}  // namespace rivera::garden
