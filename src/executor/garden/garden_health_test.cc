#include "executor/garden/garden_health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/work/task_group.h"
#include "executor/testing/testing_backend.h"
#include "executor/testing/testing_loop.h"

namespace rivera::executor::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class GardenHealthTest : public ::testing::Test {
 protected:
  GardenHealthTest() {
    backend.on_run = [this](FakeProcess& process) {
      if (!hangs) process.exit(status);
    };
  }
  GardenHealthOptions options() {
    GardenHealthOptions out;
    out.rootfs = "/rootfs";
    out.process_args = {"-c", "ls"};
    out.interval = out.unhealthy_interval = std::chrono::milliseconds(2);
    out.retry_pause = std::chrono::milliseconds(1);
    out.timeout = std::chrono::milliseconds(100);
    return out;
  }

  Loop loop;
  FakeBackend backend{loop.executor()};
  base::Metrics metrics{"test"};
  base::TaskGroup tasks{loop.executor(), base::Logger::discard()};
  int status = 0;
  bool hangs = false;
};

TEST_F(GardenHealthTest, RunsAProcessInItsOwnContainerAndRemovesIt) {
  GardenHealth health(backend, options(), metrics, base::Logger::discard());
  garden::ContainerSpec old;
  old.handle = "check-old";
  old.properties = {{"tag:healthcheck-tag", "healthcheck"}};
  backend.containers_made.emplace("check-old", old);
  loop.run(health.check());
  EXPECT_THAT(backend.destroyed, SizeIs(2));
  EXPECT_TRUE(backend.containers_made.empty());
  ASSERT_THAT(backend.processes, SizeIs(1));
  EXPECT_EQ(backend.processes[0]->spec.user, "vcap");
}

TEST_F(GardenHealthTest, FailsWithTheStatusOfTheProcess) {
  GardenHealth health(backend, options(), metrics, base::Logger::discard());
  status = 3;
  try {
    loop.run(health.check());
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "Healthcheck exited with 3");
  }
}

TEST_F(GardenHealthTest, FollowsTheAvailabilityOfGarden) {
  GardenHealth health(backend, options(), metrics, base::Logger::discard());
  EXPECT_TRUE(health.healthy());
  backend.down();
  tasks.spawn("health", health.run());
  loop.until([&] { return !health.healthy(); });
  backend.up();
  loop.until([&] { return health.healthy(); });
  loop.run(tasks.stop());
}

TEST_F(GardenHealthTest, GivesUpOnACycleThatHangs) {
  GardenHealth health(backend, options(), metrics, base::Logger::discard());
  hangs = true;
  tasks.spawn("health", health.run());
  loop.until([&] { return !health.healthy(); });
  hangs = false;
  loop.until([&] { return health.healthy(); });
  loop.run(tasks.stop());
}

TEST_F(GardenHealthTest, StartsOneProcessAndLeavesNoContainerWhenWaitingFails) {
  GardenHealth health(backend, options(), metrics, base::Logger::discard());
  backend.on_run = [](FakeProcess& process) { process.wait_error = "the connection broke"; };
  EXPECT_ANY_THROW(loop.run(health.check()));
  EXPECT_THAT(backend.destroyed, SizeIs(1));
  EXPECT_TRUE(backend.containers_made.empty());
  EXPECT_EQ(backend.runs, 1);
}

}  // namespace
}  // namespace rivera::executor::testing
