// Packet filtering and address translation for containers as commands for nftables (docs/spec/garden.md §3.3 to §3.6,
// §8.7 "native table"). Pure.
#pragma once

#include <string>
#include <vector>

#include "clients/garden/garden_types.h"
#include "garden/firewall/address.h"
#include "garden/firewall/port_claims.h"

namespace rivera::garden {

// What the rules of one container are made from.
struct ContainerRules {
  std::string id;      // names its chains; letters and digits
  std::string handle;  // for comments and log prefixes
  std::string bridge, host_interface;
  std::string mac;  // of the container's end; "": it is not known, and not held to its address
  Lease lease;
  std::vector<clients::garden::NetOutRule> net_out;  // in the order given; the newest is looked at first
};

struct FirewallOptions {
  std::string tag;
  bool allow_host_access = false;
  std::vector<std::string> deny_networks;
  std::vector<std::string> dns_servers;
  std::uint64_t connection_limit = 0;  // connections that a container may have opened at a time; 0: any number
};

// There are two tables of this name: one of the family "ip" filters and translates, one of the family "bridge" holds
// containers to their own addresses.
std::string table_name(const FirewallOptions& options);

// Each of these is for one transaction. A rule that cannot be expressed throws clients::garden::GardenError.

// Replaces both tables.
std::string table_commands(const FirewallOptions& options, const std::vector<ContainerRules>& containers,
                           const std::vector<MappedPort>& ports);
std::string remove_table_commands(const FirewallOptions& options);
// Adds a container, without its mapped ports.
std::string add_commands(const FirewallOptions& options, const ContainerRules& container);
// Removes it; and its bridge if no other container has it.
std::string remove_commands(const FirewallOptions& options, const ContainerRules& container, bool bridge_too);
// Puts rules in front of those that the container has, the last of them first.
std::string net_out_commands(const FirewallOptions& options, const ContainerRules& container,
                             const std::vector<clients::garden::NetOutRule>& rules);
std::string port_commands(const FirewallOptions& options, const MappedPort& port);
std::string remove_port_commands(const FirewallOptions& options, const MappedPort& port);

}  // namespace rivera::garden
