#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/duration.h"
#include "base/files.h"
#include "base/ids.h"
#include "base/metrics/metrics.h"
#include "base/process/subprocess.h"
#include "base/work/parallel_consumer.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "base/work/worker_pool.h"

namespace rivera::base {
namespace {

using namespace std::chrono_literals;

void run(std::function<asio::awaitable<void>()> body) {
  asio::io_context io;
  std::exception_ptr failure;
  asio::co_spawn(io, body(), [&](std::exception_ptr e) { failure = e; });
  io.run();
  if (failure) std::rethrow_exception(failure);
}

TEST(Duration, ReadsAndWritesGoDurations) {
  EXPECT_EQ(parse_go_duration("1h30m"), 90min);
  EXPECT_EQ(parse_go_duration("1.5s"), 1500ms);
  EXPECT_EQ(parse_go_duration("-250ms"), -250ms);
  EXPECT_EQ(parse_go_duration("0"), 0s);
  EXPECT_EQ(format_go_duration(90min), "1h30m0s");
  EXPECT_EQ(format_go_duration(1500ms), "1.5s");
  EXPECT_EQ(format_go_duration(10ms), "10ms");
  EXPECT_EQ(format_go_duration(0s), "0s");
}

TEST(Duration, RefusesWhatIsNotOne) {
  for (const char* text : {"", "5", "s", "1x", "1..5s", "9999999999h", "1s "}) {
    EXPECT_THROW(parse_go_duration(text), std::invalid_argument) << text;
  }
}

TEST(Bytes, RoundTripThroughHexAndBase64) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    EXPECT_EQ(from_hex(to_hex(bytes)), bytes);
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
    bytes += static_cast<char>(i);
  }
  EXPECT_THROW(from_hex("abc"), std::invalid_argument);
  EXPECT_THROW(from_base64("abc"), std::invalid_argument);
  EXPECT_THROW(from_base64("a-b="), std::invalid_argument);
}

TEST(Ids, AreVersionFourAndDiffer) {
  const std::string a = new_guid();
  EXPECT_EQ(a.size(), 36u);
  EXPECT_EQ(a[14], '4');
  EXPECT_NE(a, new_guid());
}

TEST(Subprocess, GivesOutputStatusAndHonoursTheTimeout) {
  CommandOptions options;
  options.input = "hello";
  const auto echoed = run_command({"cat"}, options);
  EXPECT_TRUE(echoed.ok());
  EXPECT_EQ(echoed.output, "hello");
  EXPECT_EQ(run_command({"sh", "-c", "exit 7"}).exit_status, 7);
  options.timeout = 50ms;
  EXPECT_TRUE(run_command({"sleep", "60"}, options).timed_out);
  EXPECT_THROW(run_command({"/no/such/program"}), std::system_error);
}

TEST(Metrics, AppearAsPrometheusText) {
  Metrics metrics("bbs");
  metrics.increment("RequestCount", 2);
  metrics.set("LRPsRunning", 5, {{"cell", "a"}});
  const std::string text = metrics.prometheus_text();
  EXPECT_NE(text.find("bbs_request_count 2"), std::string::npos) << text;
  EXPECT_NE(text.find("bbs_lrps_running{cell=\"a\"} 5"), std::string::npos) << text;
}

TEST(Within, GivesTheResultOrThrowsAtTheDeadline) {
  run([]() -> asio::awaitable<void> {
    auto quick = []() -> asio::awaitable<int> { co_return 5; };
    auto slow = []() -> asio::awaitable<int> {
      co_await sleep_for(1h);
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

TEST(TaskGroup, CancelsAndAwaitsWhatItOwns) {
  run([]() -> asio::awaitable<void> {
    auto executor = co_await asio::this_coro::executor;
    TaskGroup group(executor, Logger::discard());
    int ended = 0;
    struct OnExit {
      int& count;
      ~OnExit() { ++count; }
    };
    auto forever = [&]() -> asio::awaitable<void> {
      OnExit on_exit{ended};
      co_await within(1h, "nested", sleep_for(1h));
    };
    group.spawn("a", forever());
    group.spawn("b", forever());
    co_await sleep_for(1ms);
    EXPECT_EQ(group.size(), 2u);
    co_await group.stop();
    EXPECT_EQ(ended, 2);
  });
}

TEST(Condition, WakesItsWaitersAndTimesOut) {
  run([]() -> asio::awaitable<void> {
    auto executor = co_await asio::this_coro::executor;
    Condition condition(executor);
    const bool timed_out = !co_await condition.wait_for(5ms);
    EXPECT_TRUE(timed_out);
    TaskGroup group(executor, Logger::discard());
    auto notify = [&]() -> asio::awaitable<void> {
      co_await sleep_for(1ms);
      condition.notify_all();
    };
    group.spawn("notify", notify());
    const bool woken = co_await condition.wait_for(10s);
    EXPECT_TRUE(woken);
    co_await group.join();
  });
}

TEST(Queue, IsBoundedAndEndsWhenClosed) {
  run([]() -> asio::awaitable<void> {
    Queue<int> queue(co_await asio::this_coro::executor, 2);
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

TEST(WorkerPool, RunsOnAnotherThreadAndBringsExceptionsBack) {
  WorkerPool pool(1);
  run([&]() -> asio::awaitable<void> {
    const auto here = std::this_thread::get_id();
    const auto there = co_await pool.run([] { return std::this_thread::get_id(); });
    EXPECT_TRUE(here != there);
    EXPECT_TRUE(here == std::this_thread::get_id());
    std::string message;
    try {
      co_await pool.run([] { throw std::runtime_error("from the pool"); });
    } catch (const std::runtime_error& e) {
      message = e.what();
    }
    EXPECT_EQ(message, "from the pool");
  });
}

TEST(ParallelConsumer, ConsumesEverythingOnItsThreads) {
  std::vector<int> sums(3);
  ParallelConsumer<int> consumer(sums.size(), [&sums](int item, std::size_t thread) { sums[thread] += item; });
  for (int i = 1; i <= 1000; ++i) consumer.push(i);
  consumer.finish();
  EXPECT_EQ(sums[0] + sums[1] + sums[2], 500500);
}

TEST(ParallelConsumer, BringsAFailureBack) {
  const auto fail = [](int, std::size_t) { throw std::runtime_error("from a thread"); };
  ParallelConsumer<int> consumer(2, fail);
  const auto push_for_ever = [&consumer] {
    for (;;) consumer.push(1);
  };
  EXPECT_THROW(push_for_ever(), std::runtime_error);
  EXPECT_THROW(consumer.finish(), std::runtime_error);
}

}  // namespace
}  // namespace rivera::base
