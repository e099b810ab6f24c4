// Which addresses containers have (docs/spec/garden.md §3.1). Pure.
#pragma once

#include <map>
#include <set>
#include <string>

#include "garden/firewall/address.h"

namespace rivera::garden {

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
  // Not asked for by its address: no other container will share its subnet.
  bool is_of_pool(const Lease& lease) const { return pool_.contains(lease.address); }

  std::size_t capacity() const;

 private:
  Lease acquire_dynamic();
  Ipv4 first_free(const Subnet& subnet) const;

  Subnet pool_;
  std::map<Subnet, std::set<Ipv4>> leased_;
};

}  // namespace rivera::garden
