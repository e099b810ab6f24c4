// What the networks of this machine leave for a cluster.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cluster/settings/settings.h"

namespace rivera::cluster {

// The addresses from `first` to `last`.
struct AddressRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  bool overlaps(const AddressRange& other) const { return first <= other.last && other.first <= last; }
};

// Of "10.254.0.0/22"; nullopt if it is no IPv4 network.
std::optional<AddressRange> addresses_of(const std::string& network);

// The interface that leads to a part of `network`, or has an address in it, other than those of containers with this
// tag; "" if there is none. Default routes do not count.
std::string interface_into(const std::string& network, const std::string& garden_tag);

// Throws Problem if the network of containers overlaps one that this machine is part of: they, or the others there,
// could not be reached. Names the interface.
void require_network_apart(const Settings& settings);

// "" if the cluster's ports are its own; else why one of them may be taken when it starts: the kernel gives ports of
// that range to clients, unless they are reserved (net.ipv4.ip_local_port_range, net.ipv4.ip_local_reserved_ports).
std::string warning_of_ports(const Settings& settings);

// The same, with what those two files of the kernel hold.
std::string warning_of_ports(const Settings& settings, const std::string& local_range, const std::string& reserved);

}  // namespace rivera::cluster
