#include "bbs/store/database_check_loop.h"

#include <future>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>

#include "base/work/wait.h"

namespace rivera::bbs {
namespace {

using namespace std::chrono_literals;

class DatabaseCheckTest : public testing::Test {
 protected:
  // Runs a loop with this check until it gives up; gives its reason.
  std::string reason_to_give_up(DatabaseCheckLoop::Check check) {
    DatabaseCheckLoop loop(io_.get_executor(), workers_, std::move(check), {true, 20ms, 3, 1ms},
                           base::Logger::discard());
    std::string reason;
    auto running = [&]() -> asio::awaitable<void> {
      co_await loop.run([&reason](const std::string& why) { reason = why; });
      release_.set_value();
      co_await loop.stop();
    };
    asio::co_spawn(io_, base::within(60s, "the loop", running()), asio::use_future);
    io_.run();
    return reason;
  }

  asio::io_context io_;
  base::WorkerPool workers_{2};
  std::promise<void> release_;  // fulfilled after the loop has given up
};

TEST_F(DatabaseCheckTest, GivesUpAfterSoManyFailuresInARow) {
  int checks = 0;
  const auto reason = reason_to_give_up([&checks] {
    if (++checks != 3) throw std::runtime_error("no database");
  });
  EXPECT_NE(reason.find("no database"), std::string::npos);
  EXPECT_EQ(checks, 6) << "the third one was good";
}

TEST_F(DatabaseCheckTest, LeavesTheDatabaseTimeBetweenFailures) {
  std::vector<std::chrono::steady_clock::time_point> begun;
  reason_to_give_up([&begun] {
    begun.push_back(std::chrono::steady_clock::now());
    throw std::runtime_error("no database");
  });
  ASSERT_EQ(begun.size(), 3u);
  for (std::size_t i = 1; i < begun.size(); ++i) EXPECT_GE(begun[i] - begun[i - 1], 2ms) << "a fifth of 20ms, about";
}

TEST_F(DatabaseCheckTest, TakesSilenceForAFailure) {
  std::atomic<int> checks = 0;
  const auto reason = reason_to_give_up([this, &checks] {
    ++checks;
    release_.get_future().wait();
  });
  EXPECT_NE(reason.find("no answer within 20ms"), std::string::npos);
  EXPECT_EQ(checks, 1) << "a check that hangs is not joined by others";
}

}  // namespace
}  // namespace rivera::bbs
