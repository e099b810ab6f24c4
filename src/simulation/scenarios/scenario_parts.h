// Parts of Rivera's own scenarios.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "simulation/scenarios/scenarios.h"

namespace rivera::simulation {

// "preloaded:linux", which every cell of these scenarios has.
const models::PlacementConstraint& linux_stack();
// Cells 0, 1, 2 … are distributed over the zones in turn.
auction::CellSnapshot an_empty_cell(const Scale& scale, std::size_t number);
World empty_cells(const Scale& scale);

// A realistic mix of applications: most small with one or two instances, some large, a few with hundreds.
class Population {
 public:
  explicit Population(unsigned seed) : random_(seed) {}

  // Adds a number of instances of new processes.
  std::vector<InstanceId> add(World& world, std::size_t instances,
                              const models::PlacementConstraint& constraint = linux_stack());
  // Adds instances while the total is below `memory` (MB), proxies included. Two thirds of it are in instances of 4 GB
  // and more.
  std::vector<InstanceId> add_mixed_sizes(World& world, std::int64_t memory, std::int64_t proxy);

 private:
  static ProcessId a_process(World& world, int memory, const models::PlacementConstraint& constraint);
  template <typename T>
  T drawn(const std::vector<T>& values, const std::vector<double>& weights);

  std::mt19937 random_;
};

// Puts a number of instances on the cells, as running since before the scenario.
void fill(World& world, Population& population, std::size_t instances, const TimelineOptions& options);

// A scenario without cells that runs for ten minutes and only starts what is desired.
Scenario blank(std::string name, std::string title, std::string description, const TimelineOptions& options,
               std::int64_t starting_limit);

// For Scenario::check.
std::string no_cell_is_overcommitted(const ScenarioResult& result);

}  // namespace rivera::simulation
