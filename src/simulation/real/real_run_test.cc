// Simulated cells beside the real locket, auctioneer and bbs.
#include "simulation/real/real_run.h"

#include <gtest/gtest.h>

#include "base/testing/places.h"

namespace rivera::simulation {
namespace {

RealOptions a_small_run() {
  RealOptions options;
  options.cells = 6;
  options.instances = 60;
  options.processes = 7;
  options.programs = base::bin_dir();
  options.timeout = std::chrono::seconds(100);
  return options;
}

TEST(RealRun, BringsEveryInstanceToRunning) {
  std::vector<std::string> lines;
  const RealResult result = run_real(a_small_run(), [&lines](const std::string& line) { lines.push_back(line); });
  EXPECT_EQ(result.running, 60u);
  EXPECT_EQ(result.rejected, 0u);
  EXPECT_EQ(result.given_up, 0u) << result.last_failure;
  EXPECT_EQ(result.claims.calls, 60u);
  EXPECT_EQ(result.starts.calls, 60u);
  EXPECT_GE(result.auctions.batches, 1u);
  EXPECT_GE(result.state_requests, 6u);
  EXPECT_GE(lines.size(), 3u);
  ASSERT_EQ(result.milestones.size(), 6u);
  EXPECT_GE(result.total_seconds, result.milestones[4].seconds);
  ASSERT_EQ(result.use.size(), 4u);
  for (const auto& [name, used] : result.use) EXPECT_GT(used.peak_memory_mb, 0) << name;
}

TEST(RealRun, NamesTheProgramThatDidNotStart) {
  RealOptions options = a_small_run();
  options.programs = "/nowhere";
  try {
    run_real(options, [](const std::string&) {});
    FAIL() << "no exception";
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find("locket has ended"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace rivera::simulation
