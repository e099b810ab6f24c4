#include "simulation/scenarios/scenarios.h"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "simulation/scenarios/scenario_parts.h"
#include "simulation/world/measures.h"

namespace rivera::simulation {
namespace {

std::string everything_is_placed(const ScenarioResult& result) {
  return result.placed == result.wanted ? "" : fmt::format("{} not placed", result.wanted - result.placed);
}

Scenario cold_start(const Scale& scale, const TimelineOptions& options) {
  auto scenario =
      blank("cold-start", "Cold start",
            "Every instance is desired at once, on empty cells, without a limit of starting containers.", options, 0);
  scenario.world = empty_cells(scale);
  scenario.work = Population(options.seed).add(scenario.world, scale.instances);
  scenario.compare_with_upstreams_rules = true;
  scenario.check = no_cell_is_overcommitted;
  return scenario;
}

Scenario new_cells(const Scale& scale, const TimelineOptions& options) {
  auto scenario = blank("new-cells", "Deploy with empty cells",
                        "A tenth of the cells is new and empty. The weight of starting containers keeps new work from "
                        "flooding them.",
                        options, 0);
  Population population(options.seed);
  const std::size_t old_cells = scale.cells - std::max<std::size_t>(1, scale.cells / 10);
  for (std::size_t i = 0; i < old_cells; ++i) scenario.world.add_cell(an_empty_cell(scale, i));
  fill(scenario.world, population, scale.instances * 7 / 10, options);
  for (std::size_t i = old_cells; i < scale.cells; ++i) scenario.world.add_cell(an_empty_cell(scale, i));
  scenario.work = population.add(scenario.world, scale.instances / 20);
  scenario.compare_with_upstreams_rules = true;
  scenario.check = everything_is_placed;
  return scenario;
}

Scenario mixed_sizes(const Scale& scale, const TimelineOptions& options) {
  auto scenario = blank("mixed-sizes", "Mixed sizes at 95 % memory",
                        "Instances from 64 MB to 16 GB that need 95 % of all memory, proxies included.", options, 0);
  scenario.world = empty_cells(scale);
  const auto memory = static_cast<std::int64_t>(scale.cells) * scale.cell_memory / 100 * 95;
  scenario.work = Population(options.seed).add_mixed_sizes(scenario.world, memory, scale.proxy_memory);
  scenario.compare_with_upstreams_rules = true;
  scenario.check = no_cell_is_overcommitted;
  return scenario;
}

Scenario huge_process(const Scale& scale, const TimelineOptions& options) {
  auto scenario = blank("huge", "One huge application", "All instances belong to one process.", options, 0);
  scenario.world = empty_cells(scale);
  const auto process =
      scenario.world.add_process({.guid = "huge", .memory_mb = 256, .disk_mb = 1024, .placement = linux_stack()});
  for (std::size_t i = 0; i < scale.instances; ++i) scenario.work.push_back(scenario.world.add_instance(process));
  scenario.compare_with_upstreams_rules = true;
  scenario.check = [](const ScenarioResult& result) -> std::string {
    const World& world = result.world;
    std::vector<std::int64_t> zones;
    for (const auto& [name, zone] : use_by_zone(world)) zones.push_back(zone.instances);
    if (range_of(zones).spread() > 1) return "uneven zones";
    const auto cells = range_of(new_instances_by_cell(world)).spread();
    return cells <= 2 ? "" : fmt::format("cells differ by {}", cells);
  };
  return scenario;
}

// The fifth of its zone that a cell is in: the first accepts only tagged work, the second accepts it too.
std::size_t fifth_of(std::size_t cell, const Scale& scale) { return cell * 5 / scale.cells; }

Scenario isolation(const Scale& scale, const TimelineOptions& options) {
  auto scenario =
      blank("isolation", "Placement tags and isolation",
            "A fifth of the cells requires the tag \"isolated\", a fifth offers \"shared\". One process asks "
            "for a tag that no cell has.",
            options, 0);
  for (std::size_t i = 0; i < scale.cells; ++i) {
    auto cell = an_empty_cell(scale, i);
    if (fifth_of(i, scale) == 0) cell.required_tags = {"isolated"};
    if (fifth_of(i, scale) == 1) cell.optional_tags = {"shared"};
    scenario.world.add_cell(std::move(cell));
  }
  Population population(options.seed);
  const auto with_tag = [](const char* tag) {
    auto constraint = linux_stack();
    constraint.placement_tags = std::vector<std::string>{tag};
    return constraint;
  };
  const auto want = [&](std::size_t instances, const models::PlacementConstraint& constraint) {
    const auto added = population.add(scenario.world, instances, constraint);
    scenario.work.insert(scenario.work.end(), added.begin(), added.end());
  };
  want(scale.instances * 5 / 10, linux_stack());
  want(scale.instances / 10, with_tag("isolated"));
  want(scale.instances / 20, with_tag("shared"));
  want(3, with_tag("nowhere"));
  scenario.check = [](const ScenarioResult& result) -> std::string {
    const World& world = result.world;
    for (const auto& cell : world.cells()) {
      for (const InstanceId id : cell.instances) {
        const auto& tags = world.process_of(id).placement.placement_tags;
        const std::string tag = tags.empty() ? "" : tags.front();
        const bool is_allowed = cell.now.required_tags.empty()
                                    ? tag.empty() || (tag == "shared" && !cell.now.optional_tags.empty())
                                    : tag == "isolated";
        if (!is_allowed) return fmt::format("\"{}\" on {}", tag, cell.now.cell_id);
      }
    }
    return "";
  };
  return scenario;
}

Scenario zone_lost(const Scale& scale, const TimelineOptions& options, std::int64_t starting_limit) {
  auto scenario =
      blank(starting_limit > 0 ? "zone-lost" : "zone-lost-unlimited",
            starting_limit > 0 ? fmt::format("One zone lost, {} containers may start at once", starting_limit)
                               : "One zone lost, without a limit",
            fmt::format("One of {} zones is lost at minute 1. Its instances start again in the others.", scale.zones),
            options, starting_limit);
  scenario.world = empty_cells(scale);
  Population population(options.seed);
  fill(scenario.world, population, scale.instances * 6 / 10, options);
  scenario.options.horizon = options.horizon;
  scenario.course = [](Timeline& timeline) {
    timeline.at(std::chrono::minutes(1), [&timeline] {
      const auto& cells = timeline.world().cells();
      for (CellId cell = 0; cell < cells.size(); ++cell) {
        if (cells[cell].now.zone == "z1") timeline.lose(cell);
      }
    });
  };
  return scenario;
}

}  // namespace

std::vector<ScenarioSource> own_scenarios(const Scale& scale, const TimelineOptions& options) {
  if (scale.zones == 0 || scale.cells < scale.zones) throw std::invalid_argument("fewer cells than zones");
  const auto limit = options.placement.starting_container_count_maximum;
  std::vector<ScenarioSource> all;
  const auto add = [&all, scale, options](const char* name, Scenario (*make)(const Scale&, const TimelineOptions&)) {
    all.push_back({name, [=] { return make(scale, options); }});
  };
  add("cold-start", cold_start);
  add("new-cells", new_cells);
  add("mixed-sizes", mixed_sizes);
  add("huge", huge_process);
  add("isolation", isolation);
  all.push_back({"zone-lost-unlimited", [=] { return zone_lost(scale, options, 0); }});
  if (limit > 0) all.push_back({"zone-lost", [=] { return zone_lost(scale, options, limit); }});
  return all;
}

}  // namespace rivera::simulation
