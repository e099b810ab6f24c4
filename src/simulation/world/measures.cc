#include "simulation/world/measures.h"

#include <algorithm>
#include <cmath>

namespace rivera::simulation {

double distribution_score(const World& world, bool only_old) {
  double cells = 0;
  double sum = 0;
  double squares = 0;
  for (const auto& cell : world.cells()) {
    if (!cell.takes_work) continue;
    ++cells;
    const auto memory = static_cast<double>(world.memory_of_instances(cell, only_old));
    sum += memory;
    squares += memory * memory;
  }
  if (sum == 0) return 0;
  const double mean = sum / cells;
  return std::sqrt(std::max(0.0, squares / cells - mean * mean)) / mean;
}

std::vector<std::int64_t> new_instances_by_cell(const World& world) {
  std::vector<std::int64_t> counts;
  counts.reserve(world.cells().size());
  for (const auto& cell : world.cells()) {
    counts.push_back(std::count_if(cell.instances.begin(), cell.instances.end(),
                                   [&world](InstanceId id) { return world.instances()[id].is_new; }));
  }
  return counts;
}

Range range_of(const std::vector<std::int64_t>& numbers) {
  if (numbers.empty()) return {};
  const auto [least, most] = std::minmax_element(numbers.begin(), numbers.end());
  return {*least, *most};
}

std::map<std::string, ZoneUse> use_by_zone(const World& world) {
  std::map<std::string, ZoneUse> zones;
  for (const auto& cell : world.cells()) {
    ZoneUse& zone = zones[cell.now.zone];
    if (!cell.takes_work) continue;
    const auto total = cell.now.total_memory;
    const auto used = total - cell.now.free_memory;
    const double fraction = total > 0 ? static_cast<double>(used) / static_cast<double>(total) : 0;
    zone.least_used = zone.cells == 0 ? fraction : std::min(zone.least_used, fraction);
    zone.most_used = std::max(zone.most_used, fraction);
    ++zone.cells;
    zone.total_memory += total;
    zone.used_memory += used;
    zone.instances += static_cast<std::int64_t>(cell.instances.size());
    zone.new_instances += std::count_if(cell.instances.begin(), cell.instances.end(),
                                        [&world](InstanceId id) { return world.instances()[id].is_new; });
  }
  return zones;
}

float percentile(std::vector<float> numbers, double fraction) {
  if (numbers.empty()) return 0;
  const auto last = static_cast<double>(numbers.size() - 1);
  const auto position = static_cast<std::ptrdiff_t>(std::lround(last * fraction));
  std::nth_element(numbers.begin(), numbers.begin() + position, numbers.end());
  return numbers[static_cast<std::size_t>(position)];
}

}  // namespace rivera::simulation
