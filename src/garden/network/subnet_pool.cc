#include "garden/network/subnet_pool.h"

#include "base/check.h"
#include "clients/garden/garden_types.h"

namespace rivera::garden {

using clients::garden::GardenError;

namespace {

constexpr int kDynamicPrefix = 30;

}  // namespace

SubnetPool::SubnetPool(Subnet pool) : pool_(pool) {
  if (pool_.prefix > kDynamicPrefix) throw GardenError("the network pool " + pool_.text() + " has no room for a /30");
}

std::size_t SubnetPool::capacity() const { return std::size_t{1} << (kDynamicPrefix - pool_.prefix); }

Lease SubnetPool::acquire(const std::string& wanted) {
  if (wanted.empty()) return acquire_dynamic();
  const auto [subnet, address] = parse_cidr(wanted.find('/') == std::string::npos ? wanted + "/30" : wanted);
  if (subnet.overlaps(pool_)) {
    throw GardenError("the requested subnet (" + subnet.text() + ") overlaps the dynamic allocation range (" +
                      pool_.text() + ")");
  }
  for (const auto& [existing, addresses] : leased_) {
    if (existing != subnet && existing.overlaps(subnet)) {
      throw GardenError("the requested subnet (" + subnet.text() + ") overlaps an existing subnet (" + existing.text() +
                        ")");
    }
  }
  Lease lease{subnet, address == subnet.network ? first_free(subnet) : address};
  if (lease.address == subnet.gateway()) throw GardenError("a container IP must not equal the gateway IP");
  if (lease.address == subnet.broadcast()) throw GardenError("a container IP must not equal the broadcast IP");
  restore(lease);
  return lease;
}

Lease SubnetPool::acquire_dynamic() {
  for (Ipv4 network = pool_.network; network <= pool_.broadcast() && network >= pool_.network; network += 4) {
    const Subnet subnet{network, kDynamicPrefix};
    if (leased_.contains(subnet)) continue;
    const Lease lease{subnet, first_free(subnet)};
    RIVERA_CHECK(pool_.contains(lease.address), "a dynamic address is of the pool");
    restore(lease);
    return lease;
  }
  throw GardenError("insufficient subnets remaining in the pool");
}

Ipv4 SubnetPool::first_free(const Subnet& subnet) const {
  const auto taken = leased_.find(subnet);
  for (Ipv4 address = subnet.gateway() + 1; address < subnet.broadcast(); ++address) {
    if (taken == leased_.end() || !taken->second.contains(address)) return address;
  }
  throw GardenError("insufficient IPs remaining in the pool");
}

void SubnetPool::restore(const Lease& lease) {
  if (!lease.subnet.contains(lease.address)) throw GardenError("the requested IP is not within the subnet");
  if (!leased_[lease.subnet].insert(lease.address).second) throw GardenError("the requested IP is already allocated");
}

bool SubnetPool::is_only_lease(const Lease& lease) const {
  const auto found = leased_.find(lease.subnet);
  return found == leased_.end() || found->second.size() == found->second.count(lease.address);
}

bool SubnetPool::release(const Lease& lease) {
  const auto found = leased_.find(lease.subnet);
  if (found == leased_.end()) return true;
  found->second.erase(lease.address);
  if (!found->second.empty()) return false;
  leased_.erase(found);
  return true;
}

}  // namespace rivera::garden
