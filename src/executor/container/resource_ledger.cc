#include "executor/container/resource_ledger.h"

#include <charconv>
#include <stdexcept>

#include "base/check.h"
#include "base/units.h"

namespace rivera::executor {
namespace {

// 0 if the text is not a positive number.
std::int64_t positive_number(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size() || value < 0) return 0;
  return value;
}

std::int64_t total_memory(const CapacityOptions& options, const GardenCapacity& garden) {
  if (options.memory_mb == "auto") return static_cast<std::int64_t>(garden.memory_in_bytes / base::kMebibyte);
  const auto value = positive_number(options.memory_mb);
  if (value == 0) throw std::invalid_argument("memory limit must be a positive number or 'auto'");
  return value;
}

std::int64_t total_disk(const CapacityOptions& options, const GardenCapacity& garden) {
  if (options.disk_mb != "auto") {
    const auto value = positive_number(options.disk_mb);
    if (value == 0) throw std::invalid_argument("disk limit must be a positive number or 'auto'");
    return value;
  }
  const bool schedulable = options.use_schedulable_disk_size && garden.schedulable_disk_in_bytes > 0;
  const auto bytes = schedulable ? static_cast<std::int64_t>(garden.schedulable_disk_in_bytes)
                                 : static_cast<std::int64_t>(garden.disk_in_bytes) -
                                       static_cast<std::int64_t>(options.max_cache_size_in_bytes);
  const auto megabytes = bytes / static_cast<std::int64_t>(base::kMebibyte) - options.auto_disk_capacity_overhead_mb;
  if (megabytes <= 0) throw std::invalid_argument("auto disk limit must result in a positive number");
  return megabytes;
}

}  // namespace

bool ResourceLedger::reserve(const std::string& guid, const Resource& resource) {
  if (resource.memory_mb < 0 || resource.disk_mb < 0) return false;  // it would make room
  const auto left = remaining();
  if (held_.contains(guid) || left.containers < 1) return false;
  if (resource.memory_mb > left.memory_mb || resource.disk_mb > left.disk_mb) return false;
  adopt(guid, resource);
  return true;
}

void ResourceLedger::adopt(const std::string& guid, const Resource& resource) {
  if (!held_.emplace(guid, resource).second) return;
  used_.memory_mb += resource.memory_mb;
  used_.disk_mb += resource.disk_mb;
  used_.containers += 1;
  RIVERA_CHECK(used_.containers == static_cast<std::int64_t>(held_.size()), "each container is counted once");
}

void ResourceLedger::release(const std::string& guid) {
  const auto found = held_.find(guid);
  if (found == held_.end()) return;
  used_.memory_mb -= found->second.memory_mb;
  used_.disk_mb -= found->second.disk_mb;
  used_.containers -= 1;
  held_.erase(found);
  RIVERA_CHECK(used_.containers == static_cast<std::int64_t>(held_.size()), "each container is counted once");
  RIVERA_CHECK(!held_.empty() || (used_.memory_mb == 0 && used_.disk_mb == 0), "an empty cell has everything left");
}

Resources ResourceLedger::remaining() const {
  return {.memory_mb = total_.memory_mb - used_.memory_mb,
          .disk_mb = total_.disk_mb - used_.disk_mb,
          .containers = total_.containers - used_.containers};
}

Resources total_resources(const CapacityOptions& options, const GardenCapacity& garden) {
  return {.memory_mb = total_memory(options, garden),
          .disk_mb = total_disk(options, garden),
          .containers = static_cast<std::int64_t>(garden.max_containers) - 1};
}

}  // namespace rivera::executor
