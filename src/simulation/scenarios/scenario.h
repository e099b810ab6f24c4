// What can be simulated, and what comes of it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "simulation/world/timeline.h"

namespace rivera::simulation {

struct Outcome;

// A cluster and what happens to it.
struct Scenario {
  std::string name = {};  // "cold-start", "upstream-3-large-cold-100"
  std::string title = {};
  std::string description = {};  // one or two sentences
  World world = {};
  std::vector<InstanceId> work = {};  // desired at the beginning, in one batch
  TimelineOptions options = {};

  // Without a course: one auction and nothing more, as upstream's suite does. With one: it is called at time 0, after
  // the work was desired, and the cluster runs on until all is quiet. What it captures must outlive the run.
  std::function<void(Timeline&)> course = {};
  // Also placed by upstream's rules, for comparison: ties at random, proxy memory not reserved.
  bool compare_with_upstreams_rules = false;
  std::string upstream_score = {};  // measured of upstream itself (docs/spec/locket-and-auction.md §5.3); "" = unknown

  // Says what is wrong with the result; "" if it is as it should be.
  std::function<std::string(const Outcome&)> check = {};
};

// A scenario that can be made when it is wanted.
struct ScenarioSource {
  std::string name = {};
  std::function<Scenario()> make = {};
};

struct Outcome {
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
  std::string verdict = {};  // what is wrong; "" = nothing
};

Outcome run(Scenario scenario);

}  // namespace rivera::simulation
