#include "rep/operations/operation_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "executor/testing/testing_loop.h"

namespace rivera::rep {
namespace {

using ::testing::ElementsAre;

class OperationQueueTest : public ::testing::Test {
 protected:
  ~OperationQueueTest() override { loop.run(queue.stop()); }

  // Records its name, then waits until `open`.
  Operation named(const std::string& name) {
    return [this, name] { return note(name); };
  }
  asio::awaitable<OperationResult> note(std::string name) {
    begun.push_back(name);
    while (!open) co_await base::sleep_for(std::chrono::milliseconds(1));
    if (failures > 0) {
      --failures;
      co_return OperationResult::kTryAgain;
    }
    co_return OperationResult::kDone;
  }

  executor::testing::Loop loop;
  OperationQueue queue{loop.executor(),
                       {.first_pause = std::chrono::milliseconds(1), .longest_pause = std::chrono::milliseconds(2)},
                       base::Logger::discard()};
  std::vector<std::string> begun;
  bool open = false;
  int failures = 0;
};

TEST_F(OperationQueueTest, RunsTheNewestOfThoseThatWait) {
  queue.push("a", named("first"));
  loop.until([this] { return begun.size() == 1; });
  queue.push("a", named("second"));
  queue.push("a", named("third"));
  loop.settle();
  EXPECT_THAT(begun, ElementsAre("first"));
  open = true;
  loop.run(queue.idle());
  EXPECT_THAT(begun, ElementsAre("first", "third"));
}

TEST_F(OperationQueueTest, RunsDifferentKeysSideBySide) {
  queue.push("a", named("a"));
  queue.push("b", named("b"));
  loop.until([this] { return begun.size() == 2; });
  EXPECT_EQ(queue.size(), 2u);
  open = true;
  loop.run(queue.idle());
}

TEST_F(OperationQueueTest, RetriesTemporaryFailures) {
  open = true;
  failures = 3;
  queue.push("a", named("a"));
  loop.run(queue.idle());
  EXPECT_THAT(begun, ElementsAre("a", "a", "a", "a"));
}

TEST_F(OperationQueueTest, PrefersANewerOperationToARetry) {
  open = true;
  failures = 1'000'000;
  queue.push("a", named("old"));
  loop.until([this] { return begun.size() >= 2; });
  failures = 0;
  begun.clear();
  queue.push("a", named("new"));
  loop.run(queue.idle());
  EXPECT_EQ(begun.back(), "new");
}

TEST_F(OperationQueueTest, ContinuesAfterAnOperationThatThrows) {
  open = true;
  queue.push("a", []() -> asio::awaitable<OperationResult> { throw std::runtime_error("boom"); });
  loop.run(queue.idle());
  queue.push("a", named("next"));
  loop.run(queue.idle());
  EXPECT_THAT(begun, ElementsAre("next"));
}

// A closed connection reports operation_aborted although no coroutine was cancelled.
TEST_F(OperationQueueTest, ContinuesAfterAnOperationThatIsAborted) {
  open = true;
  const auto aborted = []() -> asio::awaitable<OperationResult> {
    throw boost::system::system_error(asio::error::operation_aborted);
  };
  queue.push("a", aborted);
  loop.run(queue.idle());
  queue.push("a", named("next"));
  loop.run(queue.idle());
  EXPECT_THAT(begun, ElementsAre("next"));
}

TEST_F(OperationQueueTest, RunsWhatWaitsBehindAnOperationThatIsAborted) {
  queue.push("a", [this]() -> asio::awaitable<OperationResult> {
    begun.push_back("aborted");
    while (!open) co_await base::sleep_for(std::chrono::milliseconds(1));
    throw boost::system::system_error(asio::error::operation_aborted);
  });
  loop.until([this] { return begun.size() == 1; });
  queue.push("a", named("next"));
  open = true;
  loop.run(queue.idle());
  EXPECT_THAT(begun, ElementsAre("aborted", "next"));
}

TEST_F(OperationQueueTest, EndsEveryLaneWhenItIsStopped) {
  queue.push("a", named("a"));
  loop.until([this] { return begun.size() == 1; });
  queue.push("a", named("never"));
  loop.run(queue.stop());
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_THAT(begun, ElementsAre("a"));
}

}  // namespace
}  // namespace rivera::rep
