// Which addresses containers have (docs/spec/garden.md §3.1). Pure.
#pragma once

#include <map>
#include <set>
#include <string>

#include "garden/network/netlink.h"

namespace rivera::garden {

struct Subnet {
  Ipv4 network = 0;
  int prefix = 30;

  // "10.254.0.0/30"; the host part is dropped. Throws clients::garden::GardenError("invalid CIDR address: …").
  static Subnet parse(const std::string& text);
  Ipv4 gateway() const { return network + 1; }
  Ipv4 broadcast() const { return network | host_mask(); }
  bool contains(Ipv4 address) const { return (address & ~host_mask()) == network; }
  bool overlaps(const Subnet& other) const { return contains(other.network) || other.contains(network); }
  std::string text() const { return to_text(network) + "/" + std::to_string(prefix); }
  auto operator<=>(const Subnet&) const = default;

 private:
  Ipv4 host_mask() const { return prefix >= 32 ? 0 : 0xffffffffu >> prefix; }
};

struct Lease {
  Subnet subnet;
  Ipv4 address = 0;
};

// Leases addresses: a /30 of the pool to each container, or what the container asks for outside the pool. Every failure
// is a clients::garden::GardenError with upstream's text.
class SubnetPool {
 public:
  explicit SubnetPool(Subnet pool);

  // `wanted`: "" for any, "a.b.c.d" or "a.b.c.d/n".
  Lease acquire(const std::string& wanted);
  // Leases a particular address, for a lease from before a restart. Throws if it is leased.
  void restore(const Lease& lease);
  // True if that was the last lease of its subnet.
  bool release(const Lease& lease);
  bool is_only_lease(const Lease& lease) const;

  std::size_t capacity() const;

 private:
  Lease acquire_dynamic();
  Ipv4 first_free(const Subnet& subnet) const;

  Subnet pool_;
  std::map<Subnet, std::set<Ipv4>> leased_;
};

}  // namespace rivera::garden
