// Accounting of the resources of the cell (docs/spec/cell.md §2.5).
#pragma once

#include <map>
#include <string>

#include "executor/container/container.h"

namespace rivera::executor {

// Passive. Each guid holds at most one reservation of its resources and one container slot.
class ResourceLedger {
 public:
  void set_total(Resources total) { total_ = total; }

  // False, without an effect, if the guid has a reservation or too little is left.
  bool reserve(const std::string& guid, const Resource& resource);
  // Reserves the resources of an existing container even if too little is left; the remainder becomes negative.
  void adopt(const std::string& guid, const Resource& resource);
  // Releases the reservation of `guid`, if there is one.
  void release(const std::string& guid);

  const Resources& total() const { return total_; }
  Resources remaining() const;

 private:
  Resources total_;
  Resources used_;
  std::map<std::string, Resource> held_;
};

// The total resources of the cell. `memory_mb` and `disk_mb` are positive numbers or "auto", which means Garden's
// capacity, for the disk less the cache and the overhead. One container slot is reserved for the health check. Throws
// std::invalid_argument with upstream's text.
struct CapacityOptions {
  std::string memory_mb = "auto";
  std::string disk_mb = "auto";
  std::uint64_t max_cache_size_in_bytes = 0;
  std::int64_t auto_disk_capacity_overhead_mb = 0;
  bool use_schedulable_disk_size = false;
};
struct GardenCapacity {
  std::uint64_t memory_in_bytes = 0;
  std::uint64_t disk_in_bytes = 0;
  std::uint64_t schedulable_disk_in_bytes = 0;
  std::uint64_t max_containers = 0;
};
Resources total_resources(const CapacityOptions& options, const GardenCapacity& garden);

}  // namespace rivera::executor
