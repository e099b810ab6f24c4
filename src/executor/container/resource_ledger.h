// Who has how much of the cell (docs/spec/cell.md §2.5).
#pragma once

#include <map>
#include <string>

#include "executor/container/container.h"

namespace rivera::executor {

// Passive. Each guid holds at most one reservation of its resources and one container slot.
class ResourceLedger {
 public:
  void set_total(Resources total) { total_ = total; }

  // False, and nothing is taken, if the guid has a reservation or not enough is left.
  bool reserve(const std::string& guid, const Resource& resource);
  // Takes what a container that already exists has, even if less is left: the rest goes below zero.
  void adopt(const std::string& guid, const Resource& resource);
  // Gives back what `guid` holds, if anything.
  void release(const std::string& guid);

  const Resources& total() const { return total_; }
  Resources remaining() const;

 private:
  Resources total_;
  Resources used_;
  std::map<std::string, Resource> held_;
};

// The cell's totals. `memory_mb` and `disk_mb` are numbers above zero or "auto" (what Garden has); in auto mode the
// disk's cache and overhead are taken off. One container slot is kept for the health check. Throws
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
