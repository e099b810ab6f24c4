#include "simulation/scenarios/scenario_parts.h"

#include <algorithm>

#include <fmt/format.h>

namespace rivera::simulation {

const models::PlacementConstraint& linux_stack() {
  static const models::PlacementConstraint constraint = [] {
    models::PlacementConstraint stack;
    stack.root_fs = "preloaded:linux";
    return stack;
  }();
  return constraint;
}

auction::CellSnapshot an_empty_cell(const Scale& scale, std::size_t number) {
  auction::CellSnapshot cell;
  cell.cell_id = fmt::format("cell-{:04}", number);
  cell.cell_index = static_cast<std::int64_t>(number / scale.zones);
  cell.zone = fmt::format("z{}", number % scale.zones + 1);
  cell.total_memory = cell.free_memory = scale.cell_memory;
  cell.total_disk = cell.free_disk = scale.cell_disk;
  cell.total_containers = cell.free_containers = scale.cell_containers;
  cell.proxy_memory = scale.proxy_memory;
  cell.root_fs_providers = models::root_fs_providers({{"linux", "/linux"}}, {"docker"});
  return cell;
}

World empty_cells(const Scale& scale) {
  World world;
  for (std::size_t i = 0; i < scale.cells; ++i) world.add_cell(an_empty_cell(scale, i));
  return world;
}

template <typename T>
T Population::drawn(const std::vector<T>& values, const std::vector<double>& weights) {
  return values[std::discrete_distribution<std::size_t>(weights.begin(), weights.end())(random_)];
}

ProcessId Population::a_process(World& world, int memory, const models::PlacementConstraint& constraint) {
  Process process{.guid = fmt::format("p-{}", world.processes().size()), .memory_mb = memory, .disk_mb = 1024};
  process.placement = constraint;
  return world.add_process(std::move(process));
}

std::vector<InstanceId> Population::add(World& world, std::size_t instances,
                                        const models::PlacementConstraint& constraint) {
  std::vector<InstanceId> added;
  while (added.size() < instances) {
    const auto process = a_process(world, drawn<int>({128, 256, 512, 1024, 2048}, {20, 35, 25, 15, 5}), constraint);
    const auto wanted = drawn<std::size_t>({1, 2, 4, 8, 40, 400}, {35, 30, 20, 10, 4, 1});
    const auto count = std::min(wanted, instances - added.size());
    for (std::size_t i = 0; i < count; ++i) added.push_back(world.add_instance(process));
  }
  return added;
}

std::vector<InstanceId> Population::add_mixed_sizes(World& world, std::int64_t memory, std::int64_t proxy) {
  std::vector<InstanceId> added;
  for (;;) {
    const int size = drawn<int>({64, 256, 512, 1024, 4096, 8192, 16384}, {20, 30, 30, 20, 8, 4, 2});
    memory -= size + proxy;
    if (memory < 0) return added;
    added.push_back(world.add_instance(a_process(world, size, linux_stack())));
  }
}

// Puts a number of instances on the cells, as running since before the scenario.
void fill(World& world, Population& population, std::size_t instances, const TimelineOptions& options) {
  const auto work = population.add(world, instances);
  auction::PlacementOptions placement = options.placement;
  placement.starting_container_count_maximum = 0;
  hold_auction(world, work, placement);
  world.settle();
}

namespace {

void without_disturbance(Timeline&) {}
// Long enough for everything to start that can.
constexpr SimTime kQuietHorizon = std::chrono::minutes(10);

}  // namespace

Scenario blank(std::string name, std::string title, std::string description, const TimelineOptions& options,
               std::int64_t starting_limit) {
  Scenario scenario{.name = std::move(name), .title = std::move(title), .description = std::move(description)};
  scenario.options = options;
  scenario.options.placement.starting_container_count_maximum = starting_limit;
  scenario.course = without_disturbance;
  scenario.options.horizon = std::min(options.horizon, kQuietHorizon);
  return scenario;
}

std::string no_cell_is_overcommitted(const ScenarioResult& result) {
  for (const auto& cell : result.world.cells()) {
    if (cell.now.free_memory < 0 || cell.now.free_disk < 0 || cell.now.free_containers < 0) {
      return cell.now.cell_id + " is overcommitted";
    }
  }
  return "";
}

}  // namespace rivera::simulation
