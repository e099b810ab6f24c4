// Clients that send or read a byte now and then: the router decides when each connection ends.
#include "base/testing/test_run.h"
#include "base/units.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "gorouter/backends/backend_pool.h"
#include "gorouter/testing/gorouter_harness.h"
#include "gorouter/testing/raw_backend.h"

namespace rivera::gorouter {
namespace {

using namespace std::chrono_literals;

constexpr auto kCutWithin = 15s;
constexpr auto kBetweenBytes = 20ms;

struct SlowClient {
  const char* name;
  std::string sends;               // at once
  std::string drips;               // again and again
  bool reads = true;               // or one byte between two drips
  std::size_t in_all = 64u << 20;  // bytes that are dripped
};

std::vector<SlowClient> slow_clients() {
  return {
      {"a head", "GET / HTTP/1.1\r\nHost: app\r\nX-Slow: ", "x"},
      {"a second head", "GET / HTTP/1.1\r\nHost: app\r\n\r\nGET / HTTP/1.1\r\nX-Slow: ", "x"},
      {"a body", "POST /echo HTTP/1.1\r\nHost: app\r\nContent-Length: 9999\r\n\r\n", "x"},
      {"a chunk's extension", "POST /echo HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n1;", "x"},
      {"a body for no application", "POST / HTTP/1.1\r\nHost: none\r\nContent-Length: 9999\r\n\r\n", "x"},
      {"a large answer", "GET /large HTTP/1.1\r\nHost: app\r\n\r\n", "", false},
      {"answers of the router", "", "GET / HTTP/1.1\r\nHost: none\r\n\r\n", false},
  };
}

asio::awaitable<void> drip(std::shared_ptr<net::Stream> stream, SlowClient client) {
  // Those that do not read send much at a time: the connection must fill up.
  std::string drips = client.drips;
  while (!client.reads && !drips.empty() && drips.size() < 64 * base::kKibibyte) drips += client.drips;
  try {
    co_await stream->write(client.sends);
    for (std::size_t sent = 0; sent < client.in_all; sent += drips.size()) {
      co_await base::sleep_for(client.reads ? kBetweenBytes : 1ms);
      co_await stream->write(drips);
    }
  } catch (const boost::system::system_error& e) {
    if (base::is_cancellation(e)) throw;
  }
}

// Until the connection ends, as far as the client sees that.
asio::awaitable<void> read_slowly(std::shared_ptr<net::Stream> stream, SlowClient client) {
  std::vector<char> buffer(client.reads ? 65536 : 1);
  try {
    for (;;) {
      const std::size_t n = co_await stream->read_some(buffer);
      if (n == 0) co_return;
      if (!client.reads) co_await base::sleep_for(kBetweenBytes);
    }
  } catch (const boost::system::system_error& e) {
    if (base::is_cancellation(e)) throw;
  }
}

TEST_F(GorouterHarness, EndsTheConnectionsOfSlowClients) {
  config_.frontend_idle_timeout = 1s;
  config_.read_header_timeout = 500ms;
  config_.endpoint_timeout = 1s;
  with_router([&]() -> asio::awaitable<void> {
    const std::string much(32u << 20, 'x');
    TestApp app(executor_, "a", [&](net::HttpExchange& exchange) -> asio::awaitable<void> {
      const std::string body = co_await exchange.read_body(1 << 20);
      const bool is_large = exchange.request().path() == "/large";
      net::HttpResponse response = net::text_response(200, is_large ? much : body);
      co_await exchange.respond(std::move(response));
    });
    co_await register_app(app, "app");
    for (const SlowClient& client : slow_clients()) {
      const std::shared_ptr<net::Stream> stream = co_await connect();
      base::TaskGroup group(executor_, base::Logger::discard());
      group.spawn("drip", drip(stream, client));
      group.spawn("read", read_slowly(stream, client));
      const auto& open = router_->plane().probe.client_connections;
      co_await until([&] { return open == 1; });
      const auto deadline = std::chrono::steady_clock::now() + kCutWithin;
      while (open > 0 && std::chrono::steady_clock::now() < deadline) co_await base::sleep_for(5ms);
      EXPECT_EQ(open, 0u) << client.name;
      co_await group.stop();
    }
  });
}

TEST(BackendPool, KeepsNoConnectionThatIsIdleForTooLongOrThatItsBackendHasClosed) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    Config config;
    config.disable_keep_alives = false;
    config.max_idle_conns_per_host = 10;
    BackendPool pool(config);
    RawBackend backend(executor);
    const auto element = backend.element();
    const Instant now = std::chrono::steady_clock::now();
    std::vector<std::unique_ptr<net::Stream>> far;
    for (const char* keep_alive : {"", "timeout=5", ""}) {
      auto connection = co_await pool.connect(element.endpoint);
      far.push_back(co_await backend.accept());
      pool.give_back(std::move(connection), keep_alive, now);
    }
    EXPECT_EQ(pool.idle(), 3u);
    pool.sweep(now + 5s);
    EXPECT_EQ(pool.idle(), 2u) << "its backend has announced that it closes it after five seconds";
    far[0].reset();
    const auto deadline = now + 10s;
    while (pool.idle() > 1 && std::chrono::steady_clock::now() < deadline) {
      pool.sweep(now);
      co_await base::sleep_for(1ms);
    }
    EXPECT_EQ(pool.idle(), 1u);
    pool.sweep(now + 91s);
    EXPECT_EQ(pool.idle(), 0u);
  });
}

}  // namespace
}  // namespace rivera::gorouter
