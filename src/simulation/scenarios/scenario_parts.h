// What our own scenarios are made of.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "simulation/scenarios/scenarios.h"

namespace rivera::simulation {

// "preloaded:linux", which every cell of ours has.
const models::PlacementConstraint& linux_stack();
// Number 0, 1, 2 … go round the zones.
auction::CellSnapshot an_empty_cell(const Scale& scale, std::size_t number);
World empty_cells(const Scale& scale);

// Applications as platforms have them: most small with an instance or two, some large, a few with hundreds.
class Population {
 public:
  explicit Population(unsigned seed) : random_(seed) {}

  // So many more instances, of new processes.
  std::vector<InstanceId> add(World& world, std::size_t instances,
                              const models::PlacementConstraint& constraint = linux_stack());
  // As long as all together needs less than `memory` (MB), proxies included. Two thirds of it are in instances of 4 GB
  // and more.
  std::vector<InstanceId> add_mixed_sizes(World& world, std::int64_t memory, std::int64_t proxy);

 private:
  static ProcessId a_process(World& world, int memory, const models::PlacementConstraint& constraint);
  template <typename T>
  T drawn(const std::vector<T>& values, const std::vector<double>& weights);

  std::mt19937 random_;
};

// Puts so many instances on the cells as if they had been there for long.
void fill(World& world, Population& population, std::size_t instances, const TimelineOptions& options);

// A scenario without cells, in which nothing happens but what is desired, for ten minutes.
Scenario blank(std::string name, std::string title, std::string description, const TimelineOptions& options,
               std::int64_t starting_limit);

// For Scenario::check.
std::string no_cell_is_overcommitted(const Outcome& outcome);

}  // namespace rivera::simulation
