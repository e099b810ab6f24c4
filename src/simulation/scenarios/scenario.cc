#include "simulation/scenarios/scenario.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "simulation/world/measures.h"

namespace rivera::simulation {
namespace {

// Upstream lets the first cell that responds win a tie, so the order is arbitrary. Without bin packing the index
// decides ties only.
double score_by_upstreams_rules(const Scenario& scenario) {
  World world = scenario.world;
  std::vector<std::int64_t> order(world.cells().size());
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937(scenario.options.seed));
  for (CellId cell = 0; cell < order.size(); ++cell) world.renumber(cell, order[cell]);
  auction::PlacementOptions options = scenario.options.placement;
  options.reserve_proxy_memory = false;
  hold_auction(world, scenario.work, options);
  return distribution_score(world);
}

void run_one_auction(Scenario& scenario, ScenarioResult& result) {
  const Round round = hold_auction(scenario.world, scenario.work, scenario.options.placement);
  result.placement_time = round.placement_time;
  result.placed = round.placed.size();
  for (const auto& [instance, error] : round.failed) ++result.failures[error];
}

void run_course(Scenario& scenario, ScenarioResult& result) {
  Timeline timeline(scenario.world, scenario.options);
  for (const InstanceId instance : scenario.work) timeline.desire(instance);
  scenario.course(timeline);
  result.course = timeline.run();
  result.placement_time = result.course->placement_time;
  result.placed = result.wanted - std::min(result.wanted, result.course->never_placed);
  result.failures = result.course->failures;
}

}  // namespace

ScenarioResult run(Scenario scenario) {
  ScenarioResult result{.name = scenario.name, .title = scenario.title, .description = scenario.description};
  result.starting_limit = scenario.options.placement.starting_container_count_maximum;
  result.wanted = scenario.work.size();
  result.upstream_score = scenario.upstream_score;
  result.score_before = distribution_score(scenario.world, true);
  if (scenario.compare_with_upstreams_rules) result.score_by_upstreams_rules = score_by_upstreams_rules(scenario);
  if (scenario.course) {
    run_course(scenario, result);
  } else {
    run_one_auction(scenario, result);
  }
  result.score_after = distribution_score(scenario.world);
  result.world = std::move(scenario.world);
  if (scenario.check) result.verdict = scenario.check(result);
  return result;
}

}  // namespace rivera::simulation
