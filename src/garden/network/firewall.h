// Packet filtering and address translation for containers: one nftables table of our own (docs/spec/garden.md §3.3 to
// §3.6, §8.7 "native table").
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "clients/garden/garden_types.h"
#include "garden/network/subnet_pool.h"

namespace rivera::garden {

// What the rules of one container are made from.
struct ContainerRules {
  std::string id;      // names its chain; letters and digits
  std::string handle;  // for comments and log prefixes
  std::string bridge;
  Lease lease;
  std::vector<clients::garden::PortMapping> ports;
  std::vector<clients::garden::NetOutRule> net_out;  // in the order given; the newest is looked at first
};

struct FirewallOptions {
  std::string tag;
  bool allow_host_access = false;
  std::vector<std::string> deny_networks;
  std::vector<std::string> dns_servers;
};

// The commands that replace the whole table in one transaction, add one container, replace its rules, add and remove a
// mapped port, and remove the container. Pure. A rule that cannot be expressed throws clients::garden::GardenError.
std::string table_name(const FirewallOptions& options);
std::string table_commands(const FirewallOptions& options, const std::vector<ContainerRules>& containers);
std::string add_commands(const FirewallOptions& options, const ContainerRules& container);
std::string net_out_commands(const FirewallOptions& options, const ContainerRules& container);
std::string port_commands(const FirewallOptions& options, const ContainerRules& container,
                          const clients::garden::PortMapping& port);
std::string remove_port_commands(const FirewallOptions& options, const ContainerRules& container,
                                 const clients::garden::PortMapping& port);
std::string remove_commands(const FirewallOptions& options, const ContainerRules& container, bool bridge_too);
// Throws GardenError if the rule is malformed.
void check_rule(const clients::garden::NetOutRule& rule);

// Runs such commands, each call one transaction. Blocking, for one thread at a time.
class Nftables {
 public:
  Nftables();
  ~Nftables();
  // Returns what "list" commands print. Throws std::runtime_error with nftables' own message.
  std::string run(const std::string& commands);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace rivera::garden
