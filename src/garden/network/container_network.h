// The network of one container, as it is kept with the container.
#pragma once

#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "clients/garden/garden_types.h"
#include "garden/firewall/firewall.h"
#include "garden/host/options.h"

namespace rivera::garden {

// All that is needed to remove a container's network, or to make its rules again.
struct ContainerNetwork {
  std::string id;  // 11 characters, unique on this host
  std::string handle;
  std::string bridge, host_interface, container_interface;
  std::string mac;  // of the container's end; "" in records of earlier servers
  Lease lease;
  std::string external_ip;
  std::uint32_t mtu = 1500;
  std::vector<clients::garden::PortMapping> ports;
  std::vector<clients::garden::NetOutRule> net_out;

  ContainerRules rules() const;
  MappedPort mapped(const clients::garden::PortMapping& port) const;
};

// Chooses the names for a lease. `sequence` is unique on this host.
ContainerNetwork plan_network(const Options& options, const std::string& handle, const Lease& lease,
                              std::uint64_t sequence);

// The name of a subnet's bridge.
std::string bridge_name(const std::string& tag, const Subnet& subnet);

// The properties of docs/spec/garden.md §3.8.
clients::garden::Properties network_properties(const ContainerNetwork& network, const Options& options);

// For state.json. Reading throws std::exception if `object` is not what to_json() gave.
boost::json::object to_json(const ContainerNetwork& network);
ContainerNetwork network_from_json(const boost::json::object& object);

}  // namespace rivera::garden
