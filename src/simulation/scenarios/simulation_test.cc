// Upstream's simulation suite with its assertions, our own scenarios at a small scale, and the rules of the timeline.
#include <set>

#include <gtest/gtest.h>

#include "simulation/scenarios/scenarios.h"
#include "simulation/scenarios/upstream_scenarios.h"
#include "simulation/world/measures.h"

namespace rivera::simulation {
namespace {

using namespace std::chrono_literals;

constexpr Scale kSmall{.cells = 30, .zones = 3, .instances = 3'000, .cell_memory = 100'000};

TimelineOptions options_with_limit(std::int64_t limit) {
  TimelineOptions options;
  options.placement.starting_container_weight = 0.25;
  options.placement.starting_container_count_maximum = limit;
  return options;
}

TEST(UpstreamScenarios, HoldUpstreamsAssertions) {
  const auto all = upstream_scenarios(1);
  EXPECT_EQ(all.size(), 37u);
  for (const auto& scenario : all) EXPECT_EQ(run(scenario).verdict, "") << scenario.name;
}

TEST(UpstreamScenarios, GiveUpstreamsDistributionScores) {
  double sum = 0;
  std::map<std::string, double> scores;
  for (const auto& scenario : upstream_scenarios(1)) {
    scores[scenario.name] = run(scenario).score_after;
    sum += scores[scenario.name];
  }
  EXPECT_NEAR(scores.at("upstream-4-deploy-5-empty"), 0.203, 0.001);
  EXPECT_NEAR(scores.at("upstream-5-zones"), 0.943, 0.001);
  EXPECT_NEAR(scores.at("upstream-2a-bin-pack-0.5-10"), 0.354, 0.001);
  EXPECT_LT(sum, 4.55) << "upstream's own sum is 4.50";
}

TEST(OwnScenarios, PassTheirChecks) {
  std::set<std::string> names;
  for (const auto& source : own_scenarios(kSmall, options_with_limit(20))) {
    const ScenarioResult result = run(source.make());
    EXPECT_EQ(result.verdict, "") << result.name;
    EXPECT_EQ(result.name, source.name);
    EXPECT_TRUE(names.insert(result.name).second) << result.name;
    ASSERT_TRUE(result.course) << result.name;
    EXPECT_FALSE(result.course->samples.empty()) << result.name;
  }
}

// With few cells the order of tie-breaking dominates the result: hence a larger number.
TEST(OwnScenarios, AreAsEvenAsUpstreamsRulesMakeThem) {
  constexpr Scale kMany{.cells = 300, .zones = 3, .instances = 15'000, .cell_memory = 100'000};
  for (const auto& source : own_scenarios(kMany, options_with_limit(200))) {
    if (source.name != "cold-start" && source.name != "new-cells" && source.name != "huge") continue;
    const ScenarioResult result = run(source.make());
    if (!result.score_by_upstreams_rules) continue;
    EXPECT_LE(result.score_after, *result.score_by_upstreams_rules + 0.01) << result.name;
  }
}

TEST(OwnScenarios, ReportATagThatNoCellHas) {
  for (const auto& source : own_scenarios(kSmall, options_with_limit(0))) {
    if (source.name != "isolation") continue;
    const ScenarioResult result = run(source.make());
    EXPECT_EQ(result.placed + 3, result.wanted);
    ASSERT_EQ(result.failures.size(), 1u);
    EXPECT_EQ(result.failures.begin()->first, "found no compatible cell with placement tag \"nowhere\"");
  }
}

TEST(OwnScenarios, RefuseFewerCellsThanZones) {
  EXPECT_THROW(own_scenarios({.cells = 2, .zones = 3}, {}), std::invalid_argument);
}

const RollingOptions kThreeAtATime{.max_in_flight = 3, .evacuation_timeout = 10min, .replacement_time = 1min};

TEST(RollingUpgrade, WithoutALimitKeepsEverythingAvailable) {
  const ScenarioResult result = run(rolling_upgrade(kSmall, options_with_limit(0), kThreeAtATime));
  EXPECT_EQ(result.verdict, "");
  EXPECT_EQ(result.course->most_unavailable, 0u);
  EXPECT_EQ(result.course->never_placed, 0u);
  EXPECT_GT(result.course->most_starting, 100u);
  for (const auto& cell : result.world.cells()) EXPECT_TRUE(cell.takes_work) << "every cell is back";
}

TEST(RollingUpgrade, StartsNoMoreContainersAtOnceThanTheLimitAllows) {
  const ScenarioResult result = run(rolling_upgrade(kSmall, options_with_limit(20), kThreeAtATime));
  EXPECT_LE(result.course->most_starting, 20u);
  EXPECT_GT(result.course->failures.at("waiting to start instance: reached in-flight start limit"), 0u);
  EXPECT_EQ(result.course->never_placed, 0u) << "convergence asks again";
}

TEST(RollingUpgrade, NeverTakesMoreCellsAwayThanMayBeInFlight) {
  const ScenarioResult result = run(rolling_upgrade(kSmall, options_with_limit(0), kThreeAtATime));
  std::size_t most = 0;
  for (const auto& sample : result.course->samples) most = std::max(most, sample.cells_away);
  EXPECT_EQ(most, 3u);
}

TEST(RollingUpgrade, EndsTheRemainingContainersOfACellAtTheTimeout) {
  RollingOptions impatient = kThreeAtATime;
  impatient.evacuation_timeout = 30s;
  const ScenarioResult result = run(rolling_upgrade(kSmall, options_with_limit(20), impatient));
  EXPECT_GT(result.course->most_unavailable, 0u);
  EXPECT_GT(result.course->unavailable_seconds, 0);
}

// Two cells; the first holds one instance.
World two_cells() {
  World world;
  for (int i = 0; i < 2; ++i) {
    auction::CellSnapshot cell;
    cell.cell_id = "cell-" + std::to_string(i);
    cell.cell_index = i;
    cell.total_memory = cell.free_memory = 100;
    cell.total_disk = cell.free_disk = 100;
    cell.total_containers = cell.free_containers = 10;
    cell.root_fs_providers = models::root_fs_providers({{"linux", "/linux"}}, {});
    world.add_cell(std::move(cell));
  }
  Process process{.guid = "p"};
  process.placement.root_fs = "preloaded:linux";
  world.put(world.add_instance(world.add_process(std::move(process)), false), 0, false);
  return world;
}

TEST(Timeline, KeepsAnEvacuatedInstanceAvailableUntilItsSuccessorRuns) {
  World world = two_cells();
  Timeline timeline(world, options_with_limit(0));
  SimTime drained{0};
  timeline.at(5s, [&] { timeline.evacuate(0, 10min, [&] { drained = timeline.now(); }); });
  const Course course = timeline.run();
  EXPECT_EQ(course.most_unavailable, 0u);
  EXPECT_GT(drained, 5s);
  EXPECT_TRUE(world.cells()[0].instances.empty());
  EXPECT_EQ(world.cells()[1].instances.size(), 1u);
  EXPECT_EQ(world.cells()[1].now.starting_containers, 0);
}

TEST(Timeline, MissesALostCellOnceItsPresenceHasExpired) {
  World world = two_cells();
  TimelineOptions options = options_with_limit(0);
  Timeline timeline(world, options);
  timeline.at(10s, [&] { timeline.lose(0); });
  const Course course = timeline.run();
  EXPECT_EQ(course.most_unavailable, 1u);
  const double least = std::chrono::duration<double>(options.presence_ttl + options.auction_time).count() + 8;
  EXPECT_GE(course.unavailable_seconds, least);
  EXPECT_LE(course.unavailable_seconds, least + 5);
}

TEST(Timeline, AuctionsAFailedInstanceAgainAfterThirtyToSixtySeconds) {
  World world = two_cells();
  world.set_takes_work(1, false);
  Timeline timeline(world, options_with_limit(0));
  timeline.at(10s, [&] { timeline.lose(0); });
  timeline.at(27s, [&] { world.set_takes_work(1, true); });  // just after the auction that finds no cell
  const Course course = timeline.run();
  EXPECT_EQ(course.failures.at("unable to communicate to compatible cells"), 1u);
  EXPECT_EQ(world.cells()[1].instances.size(), 1u);
  EXPECT_GT(course.ended, 60s);
  EXPECT_LT(course.ended, 90s);
}

TEST(Timeline, StartsManyContainersOnOneCellMoreSlowly) {
  const auto end_with = [](int instances) {
    World world = two_cells();
    world.set_takes_work(1, false);
    std::vector<InstanceId> work;
    for (int i = 0; i < instances; ++i) work.push_back(world.add_instance(0));
    TimelineOptions options = options_with_limit(0);
    options.parallel_starts = 2;
    Timeline timeline(world, options);
    for (const auto id : work) timeline.desire(id);
    return timeline.run().ended;
  };
  EXPECT_LT(end_with(1) * 2, end_with(9));
}

TEST(World, RefusesWorkThatHasNoRoomForItsProxy) {
  World world;
  auction::CellSnapshot cell;
  cell.total_memory = cell.free_memory = 100;
  cell.total_disk = cell.free_disk = 100;
  cell.total_containers = cell.free_containers = 10;
  cell.proxy_memory = 10;
  world.add_cell(std::move(cell));
  const auto process = world.add_process({.guid = "p", .memory_mb = 40, .disk_mb = 1});
  std::vector<InstanceId> work;
  for (int i = 0; i < 3; ++i) work.push_back(world.add_instance(process));
  EXPECT_EQ(world.offer(0, work), std::vector<InstanceId>{work[2]});
  EXPECT_EQ(world.cells()[0].now.free_memory, 0);
  world.remove(work[0], 0, true);
  EXPECT_EQ(world.cells()[0].now.free_memory, 50);
  EXPECT_EQ(world.cells()[0].now.starting_containers, 1);
}

TEST(Measures, ScoreIsDeviationByMean) {
  World world = two_cells();
  EXPECT_DOUBLE_EQ(distribution_score(world), 1.0) << "1 and 0 MB";
  world.put(world.add_instance(0), 1, false);
  EXPECT_DOUBLE_EQ(distribution_score(world), 0.0);
  EXPECT_DOUBLE_EQ(distribution_score(world, true), 1.0) << "one of them is new";
}

TEST(Measures, PercentileOfNothingIsZero) {
  EXPECT_EQ(percentile({}, 0.5), 0);
  EXPECT_EQ(percentile({3, 1, 2}, 0.5), 2);
  EXPECT_EQ(percentile({3, 1, 2}, 1), 3);
}

}  // namespace
}  // namespace rivera::simulation
