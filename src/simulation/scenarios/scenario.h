// Scenarios and their results.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "simulation/world/timeline.h"

namespace rivera::simulation {

struct ScenarioResult;

// A cluster and the events to simulate.
struct Scenario {
  std::string name = {};  // "cold-start", "upstream-3-large-cold-100"
  std::string title = {};
  std::string description = {};  // one or two sentences
  World world = {};
  std::vector<InstanceId> work = {};  // desired at the beginning, in one batch
  TimelineOptions options = {};

  // Without a course: one auction only, as in upstream's suite. A course is called at time 0, after the work was
  // desired; the cluster then runs until nothing is left to do. Its captures must outlive the run.
  std::function<void(Timeline&)> course = {};
  // Places the work by upstream's rules too, for comparison: ties at random, proxy memory not reserved.
  bool compare_with_upstreams_rules = false;
  std::string upstream_score = {};  // measured of upstream itself (docs/spec/locket-and-auction.md §5.3); "" = unknown

  // Describes what is wrong with the result; "" if nothing is.
  std::function<std::string(const ScenarioResult&)> check = {};
};

// A scenario that is built on demand.
struct ScenarioSource {
  std::string name = {};
  std::function<Scenario()> make = {};
};

struct ScenarioResult {
  std::string name = {};
  std::string title = {};
  std::string description = {};
  World world = {};  // at the end
  std::int64_t starting_limit = 0;
  std::size_t wanted = 0;
  std::size_t placed = 0;
  std::map<std::string, std::size_t> failures = {};  // by placement error, each time it was given
  double score_before = 0;
  double score_after = 0;
  std::optional<double> score_by_upstreams_rules = {};
  std::string upstream_score = {};
  std::chrono::nanoseconds placement_time{0};
  std::optional<Course> course = {};
  std::string verdict = {};  // the result of Scenario::check; "" = passed
};

ScenarioResult run(Scenario scenario);

}  // namespace rivera::simulation
