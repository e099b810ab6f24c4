// Tasks: at most once, with a result or a reason.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/app.h"
#include "harness/cluster_under_test.h"

namespace rivera::harness {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class Task : public ::testing::Test {
 protected:
  ClusterUnderTest& cluster_ = ClusterUnderTest::shared();
  const std::string guid_ = unique_guid("task");
};

TEST_F(Task, GivesTheContentOfItsResultFile) {
  const auto task =
      run_task(cluster_, guid_, a_task(cluster_, guid_, "printf 'a result\\nof two lines' > /tmp/result"));
  EXPECT_FALSE(task.failed()) << task.failure_reason();
  EXPECT_EQ(task.result(), "a result\nof two lines");
  EXPECT_GT(task.first_completed_at(), task.created_at());
}

TEST_F(Task, FailsWithTheStatusOfItsProcess) {
  const auto task = run_task(cluster_, guid_, a_task(cluster_, guid_, "echo nothing > /tmp/result; exit 7"));
  EXPECT_TRUE(task.failed());
  EXPECT_THAT(task.failure_reason(), HasSubstr("Exited with status 7"));
  EXPECT_EQ(task.result(), "");
}

TEST_F(Task, WithoutItsResultFileFails) {
  const auto task = run_task(cluster_, guid_, a_task(cluster_, guid_, "true"));
  EXPECT_TRUE(task.failed());
}

TEST_F(Task, CancelledItsContainerGoes) {
  cluster_.with_bbs([&](clients::BbsClient& bbs) -> asio::awaitable<bool> {
    const std::string domain = "acceptance";
    co_await bbs.desire_task(guid_, domain, a_task(cluster_, guid_, "sleep 1000"));
    co_return true;
  });
  const auto now = [&] {
    return cluster_.with_bbs([&](clients::BbsClient& bbs) -> asio::awaitable<models::Task> { return bbs.task(guid_); });
  };
  ASSERT_TRUE(eventually([&] { return now().state() == models::Task::Running && init_pid(guid_) != 0; }));
  cluster_.with_bbs([&](clients::BbsClient& bbs) -> asio::awaitable<bool> {
    co_await bbs.cancel_task(guid_);
    co_return true;
  });
  ASSERT_TRUE(eventually([&] { return now().state() == models::Task::Completed; }, seconds(10)));
  EXPECT_TRUE(now().failed());
  EXPECT_EQ(now().failure_reason(), "task was cancelled");
  EXPECT_TRUE(eventually([&] { return init_pid(guid_) == 0; }));
}

TEST_F(Task, ThatNoCellCanHoldFailsWithTheReason) {
  models::TaskDefinition definition = a_task(cluster_, guid_, "true");
  definition.set_memory_mb(100'000);
  const auto task = run_task(cluster_, guid_, definition);
  EXPECT_TRUE(task.failed());
  EXPECT_THAT(task.failure_reason(), HasSubstr("insufficient resources"));
}

TEST_F(Task, RunsOnceForEachGuid) {
  run_task(cluster_, guid_, a_task(cluster_, guid_, "echo once > /tmp/result"));
  const auto refused = cluster_.with_bbs([&](clients::BbsClient& bbs) -> asio::awaitable<std::string> {
    std::string message;
    try {
      const std::string domain = "acceptance";
      co_await bbs.desire_task(guid_, domain, a_task(cluster_, guid_, "echo twice > /tmp/result"));
    } catch (const std::exception& e) {
      message = e.what();
    }
    co_return message;
  });
  EXPECT_EQ(refused, "the requested resource already exists");
}

TEST_F(Task, ManyAtOnceAllComplete) {
  constexpr int kTasks = 12;
  cluster_.with_bbs([&](clients::BbsClient& bbs) -> asio::awaitable<bool> {
    const std::string domain = "acceptance";
    for (int i = 0; i < kTasks; ++i) {
      const std::string guid = guid_ + "-" + std::to_string(i);
      co_await bbs.desire_task(guid, domain, a_task(cluster_, guid, "echo done > /tmp/result"));
    }
    co_return true;
  });
  EXPECT_TRUE(eventually([&] {
    const auto all = cluster_.with_bbs([&](clients::BbsClient& bbs) -> asio::awaitable<std::vector<models::Task>> {
      models::TasksRequest every;
      return bbs.tasks(std::move(every));
    });
    int done = 0;
    for (const models::Task& task : all) {
      done += task.task_guid().starts_with(guid_) && task.state() == models::Task::Completed && !task.failed();
    }
    return done == kTasks;
  }));
}

}  // namespace
}  // namespace rivera::harness
