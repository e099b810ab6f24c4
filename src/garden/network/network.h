// The network of containers: bridge, virtual cable, addresses, rules, name files (docs/spec/garden.md §3).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "clients/garden/garden_types.h"
#include "garden/host/host.h"
#include "garden/host/options.h"
#include "garden/network/firewall.h"
#include "garden/network/subnet_pool.h"

namespace rivera::garden {

// All that is needed to take a container's network down, or up again. Kept with the container.
struct ContainerNetwork {
  std::string id;  // 11 characters, unique on this host
  std::string handle;
  std::string bridge, host_interface, container_interface;
  Lease lease;
  std::string external_ip;
  std::uint32_t mtu = 1500;
  std::vector<clients::garden::PortMapping> ports;
  std::vector<clients::garden::NetOutRule> net_out;

  ContainerRules rules() const;
};

// Makes the names for a lease. `sequence` is unique on this host.
ContainerNetwork plan_network(const Options& options, const std::string& handle, const Lease& lease,
                              std::uint64_t sequence);

// The content of /etc/hosts and /etc/resolv.conf (§3.7). Pure.
std::string hosts_file(const Options& options, const std::string& handle, Ipv4 address);
std::string resolv_conf_file(const Options& options, const std::string& host_resolv_conf, Ipv4 bridge);

// The properties of §3.8.
clients::garden::Properties network_properties(const ContainerNetwork& network, const Options& options);

// Changes the host's network. Every call blocks and is for one thread at a time; each throws on failure, naming what it
// did.
class NetworkDriver {
 public:
  NetworkDriver(const Options& options, const Host& host);
  ~NetworkDriver();

  const std::string& external_ip() const { return external_ip_; }
  std::uint32_t mtu() const { return mtu_; }

  // Makes the table anew with the rules of these containers, and lets packets through the host.
  void start(const std::vector<ContainerNetwork>& containers);
  // Connects the container whose first process is behind `pidfd`.
  void connect(const ContainerNetwork& network, int pidfd);
  // Tolerates what is gone already.
  void disconnect(const ContainerNetwork& network, bool is_last_in_subnet);
  void add_port(const ContainerNetwork& network, const clients::garden::PortMapping& port);
  void apply_net_out(const ContainerNetwork& network);
  // Removes the table, bridges of ours in `pool` that were left, and what start() changed on the host.
  void stop_for_good(const Subnet& pool);

 private:
  FirewallOptions firewall_options_;
  std::string tag_;
  std::string saved_forwarding_path_;
  std::string external_ip_;
  std::uint32_t mtu_ = 1500;
  std::unique_ptr<Nftables> nftables_;
};

}  // namespace rivera::garden
