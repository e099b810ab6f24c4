#include "gorouter/proxy/attempt.h"

#include <boost/asio/co_spawn.hpp>
#include <gtest/gtest.h>

#include "base/testing/test_run.h"
#include "base/work/wait.h"
#include "gorouter/testing/gorouter_harness.h"
#include "gorouter/testing/raw_backend.h"

namespace rivera::gorouter {
namespace {

using namespace std::chrono_literals;
using Phase = Attempt::Phase;

constexpr char kRequest[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::size_t kMostHeadBytes = 1024;

// The error with which `work` fails; no error if it does not fail.
asio::awaitable<error_code> error_of(asio::awaitable<void> work) {
  error_code error;
  try {
    co_await std::move(work);
  } catch (const boost::system::system_error& e) {
    error = e.code();
  }
  co_return error;
}

struct AttemptTest : ::testing::Test {
  AttemptTest() {
    config_.disable_keep_alives = false;
    config_.max_idle_conns_per_host = 2;
  }
  Config config_;
};

TEST_F(AttemptTest, GoesThroughItsPhasesAndCountsAsOpenUntilTheResponseBegins) {
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    BackendPool pool(config_);
    RawBackend backend(executor);
    const auto element = backend.element();
    Attempt attempt(pool, element, Instant::max());
    EXPECT_EQ(attempt.phase(), Phase::kConnecting);
    EXPECT_EQ(*element.connections, 1);
    co_await attempt.connect();
    EXPECT_FALSE(attempt.awaits_head());
    auto far = co_await backend.accept();
    co_await attempt.send(kRequest);
    EXPECT_EQ(attempt.phase(), Phase::kAwaitingHead);
    EXPECT_TRUE(attempt.awaits_head());
    co_await far->write("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    co_await attempt.read_head(kMostHeadBytes, 0);
    EXPECT_EQ(attempt.response().status, 103);
    EXPECT_FALSE(attempt.has_final_head());
    co_await attempt.read_head(kMostHeadBytes, 0);
    EXPECT_TRUE(attempt.has_final_head());
    EXPECT_EQ(*element.connections, 1);
    attempt.accept_response();
    EXPECT_EQ(*element.connections, 0);
    EXPECT_FALSE(attempt.awaits_head());
    attempt.reader().begin_body(net::framing_of(attempt.response(), false));
    const std::string_view body = co_await attempt.reader().read_body(attempt.stream());
    EXPECT_EQ(body, "ok");
    attempt.keep_connection(std::chrono::steady_clock::now());
    EXPECT_EQ(pool.idle(), 1u);
    Attempt next(pool, element, Instant::max());
    co_await next.connect();
    EXPECT_TRUE(next.used_idle_connection());
  });
}

TEST_F(AttemptTest, ClosesItsConnectionAndStopsCountingWhenItEnds) {
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    BackendPool pool(config_);
    RawBackend backend(executor);
    const auto element = backend.element();
    std::shared_ptr<BackendConnection> held;  // as a body that is still being forwarded holds it
    {
      Attempt attempt(pool, element, Instant::max());
      co_await attempt.connect();
      held = attempt.connection();
    }
    EXPECT_EQ(*element.connections, 0);
    auto far = co_await backend.accept();
    char byte;
    const std::size_t n = co_await far->read_some({&byte, 1});
    EXPECT_EQ(n, 0u);
  });
}

TEST_F(AttemptTest, ClassifiesFailuresByWhatWasSent) {
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    BackendPool pool(config_);
    RawBackend backend(executor);
    Attempt attempt(pool, backend.element(), Instant::max());
    co_await attempt.connect();
    auto far = co_await backend.accept();
    EXPECT_EQ(attempt.failure_of(asio::error::eof, false).kind, FailureClass::kIncompleteRequest);
    co_await attempt.send(kRequest);
    const std::string sent = co_await read_until(*far, "\r\n\r\n");
    EXPECT_EQ(sent, kRequest);
    far->close();
    const error_code error = co_await error_of(attempt.read_head(kMostHeadBytes, 0));
    EXPECT_EQ(error, asio::error::eof);
    EXPECT_EQ(attempt.failure_of(error, true).kind, FailureClass::kIdempotentEof);
    EXPECT_EQ(attempt.failure_of(error, false).kind, FailureClass::kOther);
    const Failure reset = attempt.failure_of(asio::error::connection_reset, true);
    EXPECT_EQ(reset.kind, FailureClass::kResetOnRead);
    EXPECT_TRUE(reset.text.ends_with("read: connection reset by peer")) << reset.text;
  });
}

TEST_F(AttemptTest, EndsAtItsDeadlineAndNotBefore) {
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    BackendPool pool(config_);
    RawBackend backend(executor);
    const auto deadline = std::chrono::steady_clock::now() + 1h;
    Attempt attempt(pool, backend.element(), deadline);
    co_await attempt.connect();
    co_await attempt.send(kRequest);
    EXPECT_FALSE(attempt.expire(deadline));
    EXPECT_EQ(attempt.interruption(), Attempt::Interruption::kNone);
    EXPECT_TRUE(attempt.expire(deadline + 1ns));
    EXPECT_EQ(attempt.interruption(), Attempt::Interruption::kTimedOut);
    const error_code error = co_await error_of(attempt.read_head(kMostHeadBytes, 0));
    EXPECT_TRUE(error);
  });
}

// A connection that is established after the attempt was cancelled must not be used: nothing would end the wait for a
// response.
TEST_F(AttemptTest, IsCancelledEvenWhileItConnects) {
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    BackendPool pool(config_);
    RawBackend backend(executor);
    Attempt attempt(pool, backend.element(), Instant::max());
    std::optional<error_code> result;
    base::Condition ended(executor);
    auto connect = error_of(attempt.connect());
    asio::co_spawn(executor, std::move(connect), [&](std::exception_ptr, error_code error) {
      result = error;
      ended.notify_all();
    });
    attempt.cancel();
    while (!result) co_await ended.wait();
    EXPECT_EQ(*result, asio::error::operation_aborted);
    EXPECT_EQ(attempt.interruption(), Attempt::Interruption::kCancelled);
  });
}

TEST_F(AttemptTest, LimitsTheResponseHead) {
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    BackendPool pool(config_);
    RawBackend backend(executor);
    for (const bool many : {false, true}) {
      Attempt attempt(pool, backend.element(), Instant::max());
      co_await attempt.connect();
      auto far = co_await backend.accept();
      const std::string fields = many ? "A: 1\r\nB: 2\r\n" : "A: " + std::string(2 * kMostHeadBytes, 'x') + "\r\n";
      const std::string head = "HTTP/1.1 200 OK\r\n" + fields + "\r\n";
      co_await far->write(head);
      bool refused = false;
      try {
        co_await attempt.read_head(kMostHeadBytes, 1);
      } catch (const net::Http1Error&) {
        refused = true;
      }
      EXPECT_TRUE(refused) << many;
    }
  });
}

}  // namespace
}  // namespace rivera::gorouter
