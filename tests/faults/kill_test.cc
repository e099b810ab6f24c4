// kill -9 of each component in turn: the supervisor starts it again and the system recovers by itself.
#include <algorithm>
#include <fstream>
#include <signal.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/app.h"
#include "harness/cluster_under_test.h"

namespace rivera::harness {
namespace {

using std::chrono::seconds;

class Killed : public ::testing::TestWithParam<const char*> {
 protected:
  ClusterUnderTest& cluster_ = ClusterUnderTest::shared();
};

TEST_P(Killed, ItIsStartedAgainAndBothInstancesServe) {
  const std::string component = GetParam();
  const RunningApp app(cluster_, a_web_app(cluster_, unique_guid("killed-" + component), 2));
  ASSERT_TRUE(eventually([&] { return app.serves(2); }));

  const pid_t victim = cluster_.pid_of(component);
  ASSERT_GT(victim, 1);
  ASSERT_EQ(::kill(victim, SIGKILL), 0);

  EXPECT_TRUE(eventually([&] {
    const pid_t successor = cluster_.pid_of(component);
    return successor != 0 && successor != victim && cluster_.is_healthy(component);
  })) << component
      << " does not come back";
  EXPECT_TRUE(eventually([&] { return app.serves(2); }, seconds(90)));

  // And it works: something new can be started, and a task runs.
  const std::string guid = unique_guid("after-" + component);
  const auto task = run_task(cluster_, guid, a_task(cluster_, guid, "echo done > /tmp/result"));
  EXPECT_FALSE(task.failed()) << task.failure_reason();
  const RunningApp fresh(cluster_, a_web_app(cluster_, unique_guid("fresh-" + component), 1));
  EXPECT_TRUE(eventually([&] { return fresh.serves(1); }));
}

TEST_P(Killed, WhatRanBeforeKeepsRunning) {
  // Containers and their processes do not notice that a component is killed.
  const std::string component = GetParam();
  const RunningApp app(cluster_, a_web_app(cluster_, unique_guid("steady-" + component), 1));
  ASSERT_TRUE(eventually([&] { return app.serves(1); }));
  const std::string handle = app.instance(0).actual_lrp_instance_key().instance_guid();
  const pid_t init = init_pid(handle);
  const pid_t victim = cluster_.pid_of(component);
  ASSERT_GT(victim, 1);
  ASSERT_EQ(::kill(victim, SIGKILL), 0);
  ASSERT_TRUE(eventually([&] { return cluster_.pid_of(component) != victim && cluster_.is_healthy(component); }));
  ASSERT_TRUE(eventually([&] { return app.serves(1); }, seconds(90)));
  EXPECT_EQ(app.instance(0).actual_lrp_instance_key().instance_guid(), handle);
  EXPECT_EQ(init_pid(handle), init);
}

std::string test_name(const ::testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(EachComponent, Killed,
                         ::testing::Values("nats", "locket", "bbs", "auctioneer", "garden", "rep", "file-server",
                                           "gorouter", "route-emitter"),
                         test_name);

TEST(KilledSupervisor, ItsComponentsKeepRunningAndTheNextUpTakesOver) {
  ClusterUnderTest& cluster = ClusterUnderTest::shared();
  const RunningApp app(cluster, a_web_app(cluster, unique_guid("supervised"), 1));
  ASSERT_TRUE(eventually([&] { return app.serves(1); }));
  const pid_t bbs_before = cluster.pid_of("bbs");
  std::ifstream file(cluster.settings().supervisor_pid_file());
  pid_t supervisor = 0;
  ASSERT_TRUE(file >> supervisor);
  ASSERT_EQ(::kill(supervisor, SIGKILL), 0);
  EXPECT_TRUE(app.serves(1));  // nothing has ended
  const auto up = cluster.run_tool({"up", "--no-sample"});
  ASSERT_EQ(up.exit_status, 0) << up.output << up.error;
  EXPECT_NE(cluster.pid_of("bbs"), bbs_before);
  EXPECT_TRUE(eventually([&] { return app.serves(1); }));
}

}  // namespace
}  // namespace rivera::harness
