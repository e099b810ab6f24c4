// The host's side of the containers' network: bridges, veth pairs, addresses, rules (docs/spec/garden.md §3).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "garden/host/host.h"
#include "garden/host/options.h"
#include "garden/network/container_network.h"
#include "garden/network/firewall.h"

namespace rivera::garden {

// Changes the host's network. Every call blocks and is for one thread at a time; each throws on failure, naming what it
// did.
class NetworkDriver {
 public:
  NetworkDriver(const Options& options, const Host& host);
  ~NetworkDriver();

  const std::string& external_ip() const { return external_ip_; }
  std::uint32_t mtu() const { return mtu_; }

  // Replaces the table by one with the rules of these containers, and turns on forwarding.
  void start(const std::vector<ContainerNetwork>& containers);
  // Connects the container whose first process is behind `pidfd`.
  void connect(const ContainerNetwork& network, int pidfd);
  // Without error for what does not exist.
  void disconnect(const ContainerNetwork& network, bool is_last_in_subnet);
  void add_port(const ContainerNetwork& network, const clients::garden::PortMapping& port);
  void remove_port(const ContainerNetwork& network, const clients::garden::PortMapping& port);
  void apply_net_out(const ContainerNetwork& network);
  // Removes the table and left bridges of ours in `pool`, and undoes what start() changed on the host.
  void remove_everything(const Subnet& pool);

 private:
  FirewallOptions firewall_options_;
  std::string tag_;
  std::string saved_forwarding_path_;
  std::string external_ip_;
  std::uint32_t mtu_ = 1500;
  std::unique_ptr<Nftables> nftables_;
};

}  // namespace rivera::garden
