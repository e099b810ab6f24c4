// How even a placement is.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "simulation/world/world.h"

namespace rivera::simulation {

// Upstream's distribution score: population standard deviation by mean of the instances' memory on each cell, 0 where
// there are none (docs/spec/locket-and-auction.md §5.3). 0 is perfectly even. Cells that take no work do not count.
double distribution_score(const World& world, bool only_old = false);

struct Range {
  std::int64_t least = 0;
  std::int64_t most = 0;
  std::int64_t spread() const { return most - least; }
};

// New instances on each cell, by cell.
std::vector<std::int64_t> new_instances_by_cell(const World& world);
// The smallest and the largest; zeros for an empty list.
Range range_of(const std::vector<std::int64_t>& numbers);

struct ZoneUse {
  std::size_t cells = 0;          // that accept work
  std::int64_t total_memory = 0;  // MB, of those
  std::int64_t used_memory = 0;   // proxies included
  double least_used = 0;          // fraction, of one cell
  double most_used = 0;
  std::int64_t instances = 0;
  std::int64_t new_instances = 0;
};

std::map<std::string, ZoneUse> use_by_zone(const World& world);

// The value below which `fraction` of the numbers are; 0 for none.
float percentile(std::vector<float> numbers, double fraction);

}  // namespace rivera::simulation
