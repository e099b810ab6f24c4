#include "simulation/scenarios/scenario.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "simulation/world/measures.h"

namespace rivera::simulation {
namespace {

// Upstream lets the first cell that answers win a tie: any order. Without bin packing the index decides ties only.
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

void run_one_auction(Scenario& scenario, Outcome& outcome) {
  const Round round = hold_auction(scenario.world, scenario.work, scenario.options.placement);
  outcome.placement_time = round.placement_time;
  outcome.placed = round.placed.size();
  for (const auto& [instance, error] : round.failed) ++outcome.failures[error];
}

void run_course(Scenario& scenario, Outcome& outcome) {
  Timeline timeline(scenario.world, scenario.options);
  for (const InstanceId instance : scenario.work) timeline.desire(instance);
  scenario.course(timeline);
  outcome.course = timeline.run();
  outcome.placement_time = outcome.course->placement_time;
  outcome.placed = outcome.wanted - std::min(outcome.wanted, outcome.course->never_placed);
  outcome.failures = outcome.course->failures;
}

}  // namespace

Outcome run(Scenario scenario) {
  Outcome outcome{.name = scenario.name, .title = scenario.title, .description = scenario.description};
  outcome.starting_limit = scenario.options.placement.starting_container_count_maximum;
  outcome.wanted = scenario.work.size();
  outcome.upstream_score = scenario.upstream_score;
  outcome.score_before = distribution_score(scenario.world, true);
  if (scenario.compare_with_upstreams_rules) outcome.score_by_upstreams_rules = score_by_upstreams_rules(scenario);
  if (scenario.course) {
    run_course(scenario, outcome);
  } else {
    run_one_auction(scenario, outcome);
  }
  outcome.score_after = distribution_score(scenario.world);
  outcome.world = std::move(scenario.world);
  if (scenario.check) outcome.verdict = scenario.check(outcome);
  return outcome;
}

}  // namespace rivera::simulation
