#include "base/work/wait.h"

#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include "base/log/log.h"
#include "base/testing/test_run.h"
#include "base/work/task_group.h"

namespace rivera::base {
namespace {

using namespace std::chrono_literals;

TEST(Within, GivesTheResultOrThrowsAtTheDeadline) {
  run([](asio::any_io_executor) -> asio::awaitable<void> {
    auto quick = []() -> asio::awaitable<int> { co_return 5; };
    auto slow = []() -> asio::awaitable<int> {
      Condition never(co_await asio::this_coro::executor);
      co_await never.wait();
      co_return 6;
    };
    const int five = co_await within(1s, "quick", quick());
    EXPECT_EQ(five, 5);
    std::string message;
    try {
      co_await within(10ms, "slow", slow());
    } catch (const DeadlineExceeded& e) {
      message = e.what();
    }
    EXPECT_EQ(message, "slow: no answer within 10ms");
  });
}

TEST(Condition, WakesItsWaitersAndTimesOut) {
  run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    Condition condition(executor);
    const bool timed_out = !co_await condition.wait_for(5ms);
    EXPECT_TRUE(timed_out);
    TaskGroup group(executor, Logger::discard());
    auto notify = [&]() -> asio::awaitable<void> {
      co_await asio::post(executor, asio::use_awaitable);  // once the test waits
      condition.notify_all();
    };
    group.spawn("notify", notify());
    const bool woken = co_await condition.wait_for(10s);
    EXPECT_TRUE(woken);
    co_await group.join();
  });
}

TEST(Queue, IsBoundedAndEndsWhenClosed) {
  run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    Queue<int> queue(executor, 2);
    EXPECT_TRUE(queue.try_push(1));
    EXPECT_TRUE(queue.try_push(2));
    EXPECT_FALSE(queue.try_push(3));
    queue.close();
    const auto first = co_await queue.pop();
    const auto second = co_await queue.pop();
    const auto end = co_await queue.pop();
    EXPECT_EQ(first, 1);
    EXPECT_EQ(second, 2);
    EXPECT_EQ(end, std::nullopt);
  });
}

}  // namespace
}  // namespace rivera::base
