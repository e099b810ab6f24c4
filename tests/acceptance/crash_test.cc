// Processes that end when they should not.
#include <signal.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/app.h"
#include "harness/cluster_under_test.h"

namespace rivera::harness {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

class Crash : public ::testing::Test {
 protected:
  ClusterUnderTest& cluster_ = ClusterUnderTest::shared();
  const std::string guid_ = unique_guid("crash");
};

TEST_F(Crash, AnApplicationThatExitsIsStartedAgain) {
  // It lives for a while, and each time another container serves.
  const RunningApp app(cluster_, a_process(cluster_, guid_, "sleep 1; exit 3"));
  ASSERT_TRUE(eventually([&] { return app.instance(0).crash_count() >= 1; }));
  EXPECT_THAT(app.instance(0).crash_reason(), HasSubstr("Exited with status 3"));
  const std::string first = app.instance(0).actual_lrp_instance_key().instance_guid();
  EXPECT_TRUE(eventually([&] {
    const auto now = app.instance(0);
    return now.state() == "RUNNING" && now.actual_lrp_instance_key().instance_guid() != first;
  }));
}

TEST_F(Crash, OneThatKeepsCrashingIsRestartedThreeTimesAtOnceAndThenBacksOff) {
  const RunningApp app(cluster_, a_process(cluster_, guid_, "exit 1"));
  ASSERT_TRUE(eventually([&] { return app.instance(0).state() == "CRASHED"; }));
  const models::ActualLRP crashed = app.instance(0);
  EXPECT_EQ(crashed.crash_count(), 3);  // docs/spec/bbs.md §4.5: three immediate restarts
  // The fourth start is due 30 s later: nothing happens in the next seconds.
  EXPECT_FALSE(eventually([&] { return app.instance(0).state() != "CRASHED"; }, seconds(3)));
}

TEST_F(Crash, AKilledInitIsNoticedWithinTwoSeconds) {
  const RunningApp app(cluster_, a_web_app(cluster_, guid_, 1));
  ASSERT_TRUE(eventually([&] { return app.running() == 1; }));
  const std::string handle = app.instance(0).actual_lrp_instance_key().instance_guid();
  const pid_t init = init_pid(handle);
  ASSERT_NE(init, 0);
  const auto killed = std::chrono::steady_clock::now();
  ASSERT_EQ(::kill(init, SIGKILL), 0);
  ASSERT_TRUE(eventually(
      [&] {
        const auto now = app.instance(0);
        return now.crash_count() == 1 || now.actual_lrp_instance_key().instance_guid() != handle;
      },
      seconds(10)));
  const auto noticed = std::chrono::steady_clock::now() - killed;
  EXPECT_LT(std::chrono::duration_cast<milliseconds>(noticed).count(), 2000);
  EXPECT_TRUE(eventually([&] { return app.serves(1); }));
}

TEST_F(Crash, AKilledApplicationProcessServesAgainElsewhere) {
  const RunningApp app(cluster_, a_web_app(cluster_, guid_, 2));
  ASSERT_TRUE(eventually([&] { return app.serves(2); }));
  const std::string other = app.instance(1).actual_lrp_instance_key().instance_guid();
  ASSERT_EQ(::kill(init_pid(app.instance(0).actual_lrp_instance_key().instance_guid()), SIGKILL), 0);
  ASSERT_TRUE(eventually([&] { return app.instance(0).crash_count() == 1 && app.serves(2); }));
  EXPECT_EQ(app.instance(1).actual_lrp_instance_key().instance_guid(), other);  // untouched
}

TEST_F(Crash, OneThatNeverBecomesHealthyCrashesAfterItsStartTimeout) {
  models::DesiredLRP lrp = a_web_app(cluster_, guid_, 1);
  lrp.mutable_action()->mutable_run_action()->set_args(1, "sleep 1000");
  lrp.set_start_timeout_ms(1500);
  const RunningApp app(cluster_, lrp);
  ASSERT_TRUE(eventually([&] { return app.instance(0).crash_count() >= 1; }));
  EXPECT_THAT(app.instance(0).crash_reason(), HasSubstr("never healthy after"));
}

TEST_F(Crash, OneThatTakesTooMuchMemoryCrashesWithThatReason) {
  models::DesiredLRP lrp = a_process(cluster_, guid_, "sleep 1; exec dd if=/dev/zero of=/dev/null bs=200M count=1000");
  lrp.set_memory_mb(32);
  const RunningApp app(cluster_, lrp);
  ASSERT_TRUE(eventually([&] { return app.instance(0).crash_count() >= 1; }));
  EXPECT_THAT(app.instance(0).crash_reason(), HasSubstr("out of memory"));
}

}  // namespace
}  // namespace rivera::harness
