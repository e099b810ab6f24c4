#include "net/names/resolver.h"

#include <map>

#include <gtest/gtest.h>

#include "base/testing/test_run.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "net/stream/dial.h"
#include "net/stream/endpoint.h"
#include "net/testing/test_name_server.h"

namespace rivera::net {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

asio::awaitable<error_code> failure_to_resolve(std::string host, std::chrono::nanoseconds limit) {
  error_code failure;
  try {
    co_await resolve(std::move(host), limit);
  } catch (const boost::system::system_error& e) {
    failure = e.code();
  }
  co_return failure;
}

TEST(Resolve, AsksTheNameServerOnceForCallersThatAskAtTheSameTime) {
  const std::map<std::string, std::string> names{{"cell.test.internal", "10.1.2.3"}};
  TestNameServer server(names);
  server.hold_answers();
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    base::TaskGroup group(executor, base::Logger("test"));
    int asked = 0, answered = 0;
    auto ask = [&]() -> asio::awaitable<void> {
      ++asked;
      const auto addresses = co_await resolve("cell.test.internal", 10s);
      EXPECT_EQ(addresses.size(), 1u);
      if (!addresses.empty()) {
        EXPECT_EQ(addresses[0].to_string(), "10.1.2.3");
      }
      ++answered;
    };
    for (int i = 0; i < 5; ++i) group.spawn("ask", ask());
    co_await base::eventually("all have asked", [&] { return asked == 5; });
    server.release_answers();
    co_await group.join();
    EXPECT_EQ(answered, 5);
    EXPECT_EQ(server.questions(), 1);
    const auto failure = co_await failure_to_resolve("other.test.internal", 10s);
    EXPECT_EQ(failure, asio::error::host_not_found);
  });
}

TEST(Resolve, KnowsLiteralsAndTheHostsFileWithoutANameServer) {
  const TestNameServer black_hole = TestNameServer::silent();
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    base::TaskGroup group(executor, base::Logger::discard());
    auto ask = [](int i) -> asio::awaitable<void> {
      co_await failure_to_resolve("lost-" + std::to_string(i) + ".test.internal", 60s);
    };
    for (int i = 0; i < 100; ++i) group.spawn("ask", ask(i));  // none of them delays the others
    for (const char* literal : {"127.0.0.1", "::1"}) {
      const auto addresses = co_await resolve(literal, 10s);
      EXPECT_EQ(addresses.size(), 1u);
      if (!addresses.empty()) {
        EXPECT_EQ(addresses[0].to_string(), literal);
      }
    }
    const auto local = co_await resolve("localhost", 10s);
    EXPECT_FALSE(local.empty());
    for (const auto& address : local) EXPECT_TRUE(address.is_loopback());
    co_await group.stop();
  });
}

TEST(Resolve, GivesUpInTimeOnANameServerThatDoesNotAnswer) {
  const TestNameServer black_hole = TestNameServer::silent();
  base::run([&](asio::any_io_executor) -> asio::awaitable<void> {
    const auto begun = Clock::now();
    const auto failure = co_await failure_to_resolve("lost.test.internal", 100ms);
    EXPECT_EQ(failure, asio::error::host_not_found_try_again);
    EXPECT_LT(Clock::now() - begun, 5s);
  });
}

TEST(Resolve, EndsAtOnceWhenItsCallerIsCancelled) {
  const TestNameServer black_hole = TestNameServer::silent();
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    const auto begun = Clock::now();
    base::TaskGroup group(executor, base::Logger::discard());
    auto ask = []() -> asio::awaitable<void> { co_await resolve("lost.test.internal", 60s); };
    group.spawn("ask", ask());
    co_await group.stop();
    EXPECT_LT(Clock::now() - begun, 5s);
  });
}

TEST(Connect, IsLimitedThoughTheNameServerDoesNotAnswer) {
  const TestNameServer black_hole = TestNameServer::silent();
  base::run([&](asio::any_io_executor) -> asio::awaitable<void> {
    const auto begun = Clock::now();
    std::string failure;
    try {
      co_await connect(Endpoint::parse("http://lost.test.internal:80"), std::nullopt, 200ms);
    } catch (const TransportError& e) {
      failure = e.what();
      EXPECT_FALSE(e.sent);
    }
    EXPECT_EQ(failure.rfind("cannot connect to http://lost.test.internal: Host not found", 0), 0u) << failure;
    bool is_refused = false;
    try {
      DialTarget target;
      target.host = "lost.test.internal";
      target.port = 80;
      target.connect_timeout = 200ms;
      co_await dial(std::move(target));
    } catch (const DialError& e) {
      is_refused = e.stage == DialError::Stage::kConnect;
    }
    EXPECT_TRUE(is_refused);
    EXPECT_LT(Clock::now() - begun, 5s);
  });
}

}  // namespace
}  // namespace rivera::net
