#include "base/work/task_group.h"

#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/log/end_process.h"
#include "base/testing/test_run.h"
#include "base/testing/written_log.h"
#include "base/work/cancellation.h"
#include "base/work/wait.h"

namespace rivera::base {
namespace {

using namespace std::chrono_literals;

// After what is ready to run has run.
asio::awaitable<void> give_way() {
  const auto executor = co_await asio::this_coro::executor;
  co_await asio::post(executor, asio::use_awaitable);
}

// Ends when it is cancelled.
asio::awaitable<void> wait_for_nothing() {
  Condition never(co_await asio::this_coro::executor);
  co_await never.wait();
}

asio::awaitable<void> fail() {
  co_await give_way();
  throw std::runtime_error("the cipher is broken");
}

asio::awaitable<void> run_out_of_memory() {
  co_await give_way();
  throw std::bad_alloc();
}

asio::awaitable<void> throw_text() {
  co_await give_way();
  throw "text";
}

// As an operation whose socket another part has closed.
asio::awaitable<void> abort_an_operation() {
  co_await give_way();
  throw_cancellation();
}

// Runs one coroutine in a group, critical or not, to its end.
void run_in_group(const Logger& logger, bool is_critical, std::function<asio::awaitable<void>()> work) {
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    TaskGroup group(executor, logger);
    if (is_critical) {
      group.spawn_critical("write-batches", work());
    } else {
      group.spawn("write-batches", work());
    }
    co_await group.join();
  });
}

TEST(TaskGroup, CancelsAndAwaitsWhatItOwns) {
  run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    TaskGroup group(executor, Logger::discard());
    int ended = 0;
    struct OnExit {
      int& count;
      ~OnExit() { ++count; }
    };
    auto wait_long = [&]() -> asio::awaitable<void> {
      OnExit on_exit{ended};
      co_await within(1h, "nested", wait_for_nothing());
    };
    group.spawn("a", wait_long());
    group.spawn_critical("b", wait_long());
    co_await give_way();
    EXPECT_EQ(group.size(), 2u);
    co_await group.stop();
    EXPECT_EQ(ended, 2);
  });
}

TEST(TaskGroup, LogsWhatEndsAnOrdinaryCoroutine) {
  const WrittenLog log;
  run_in_group(log.logger(), false, fail);
  run_in_group(log.logger(), false, throw_text);
  run_in_group(log.logger(), false, abort_an_operation);
  const std::string text = log.text();
  EXPECT_NE(text.find("the cipher is broken"), std::string::npos) << text;
  EXPECT_NE(text.find("an exception of an unknown type"), std::string::npos) << text;
  EXPECT_NE(text.find("Operation canceled"), std::string::npos) << text;
}

TEST(TaskGroup, DoesNotLogItsCancellation) {
  const WrittenLog log;
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    TaskGroup group(executor, log.logger());
    group.spawn("a", wait_for_nothing());
    group.spawn_critical("b", wait_for_nothing());
    co_await group.stop();
  });
  EXPECT_EQ(log.text(), "");
}

class CriticalDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(CriticalDeathTest, AnExceptionEndsTheProcess) {
  EXPECT_EXIT(run_in_group(Logger::discard(), true, fail), testing::ExitedWithCode(kBrokenExitStatus),
              "write-batches.failed: the cipher is broken");
  EXPECT_EXIT(run_in_group(Logger::discard(), true, run_out_of_memory), testing::ExitedWithCode(kBrokenExitStatus),
              "write-batches.failed: std::bad_alloc");
  EXPECT_EXIT(run_in_group(Logger::discard(), true, throw_text), testing::ExitedWithCode(kBrokenExitStatus),
              "write-batches.failed: an exception of an unknown type");
}

TEST_F(CriticalDeathTest, AnAbortedOperationIsNoCancellation) {
  EXPECT_EXIT(run_in_group(Logger::discard(), true, abort_an_operation), testing::ExitedWithCode(kBrokenExitStatus),
              "write-batches.failed: .*Operation canceled");
}

TEST_F(CriticalDeathTest, TheReasonIsInTheLog) {
  // Standard error, so that the test sees it.
  const auto die = [] {
    run_in_group(Logger("bbs", LogLevel::kInfo, LogTimeFormat::kRfc3339, STDERR_FILENO), true, fail);
  };
  EXPECT_EXIT(die(), testing::ExitedWithCode(kBrokenExitStatus),
              "\"level\":\"fatal\",\"source\":\"bbs\",\"message\":\"bbs.write-batches.failed\","
              "\"data\":.\"error\":\"the cipher is broken\"");
}

TEST(Cancellation, IsDistinguishedFromAnExceptionThatCarriesItsCode) {
  run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    int rounds = 0;
    bool was_cancelled = false;
    auto loop = [&]() -> asio::awaitable<void> {
      const auto cancellation = co_await asio::this_coro::cancellation_state;
      for (;;) {
        try {
          ++rounds;
          if (rounds < 3) throw_cancellation();
          co_await wait_for_nothing();
        } catch (const std::exception& e) {
          EXPECT_TRUE(is_cancellation(e));
          was_cancelled = is_cancelled(cancellation);
          if (was_cancelled) throw;
        }
      }
    };
    TaskGroup group(executor, Logger::discard());
    group.spawn_critical("loop", loop());
    while (rounds < 3) co_await give_way();
    co_await group.stop();
    EXPECT_TRUE(was_cancelled);
  });
}

}  // namespace
}  // namespace rivera::base
