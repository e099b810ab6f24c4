// Clients that are slow in the middle of a transfer: the server limits the time that they may take.
#include <array>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include "base/testing/test_run.h"
#include "base/units.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "net/http/http_client.h"
#include "net/http/http_router.h"
#include "net/http/http_server.h"
#include "net/sse/sse_response.h"
#include "net/testing/test_certificates.h"

namespace rivera::net {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using std::chrono::steady_clock;

constexpr auto kBetweenBytes = 10ms;
constexpr auto kCutWithin = 10s;

// Between one client and a server; from trickle() on the client's bytes pass one by one.
class TricklingRelay {
 public:
  TricklingRelay(asio::any_io_executor executor, const std::string& server)
      : server_(executor), acceptor_(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0)), client_(executor) {
    server_.connect({asio::ip::address_v4::loopback(),
                     static_cast<std::uint16_t>(std::stoi(server.substr(server.rfind(':') + 1)))});
  }

  std::string url() const { return "https://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }
  void trickle() { trickles_ = true; }
  bool has_ended() const { return has_ended_; }

  asio::awaitable<void> requests() {
    co_await acceptor_.async_accept(client_, asio::use_awaitable);
    std::array<char, 16 * base::kKibibyte> buffer{};
    try {
      for (;;) {
        const std::size_t n = co_await client_.async_read_some(asio::buffer(buffer), asio::use_awaitable);
        std::size_t at = 0;
        while (at < n) {
          const std::size_t piece = trickles_ ? 1 : n - at;
          if (trickles_) co_await base::sleep_for(kBetweenBytes);
          co_await asio::async_write(server_, asio::buffer(buffer.data() + at, piece), asio::use_awaitable);
          at += piece;
        }
      }
    } catch (const boost::system::system_error& e) {
      if (base::is_cancellation(e)) throw;
    }
  }

  asio::awaitable<void> answers() {
    std::array<char, 16 * base::kKibibyte> buffer{};
    try {
      for (;;) {
        const std::size_t n = co_await server_.async_read_some(asio::buffer(buffer), asio::use_awaitable);
        co_await asio::async_write(client_, asio::buffer(buffer.data(), n), asio::use_awaitable);
      }
    } catch (const boost::system::system_error& e) {
      if (base::is_cancellation(e)) throw;
    }
    has_ended_ = true;
  }

 private:
  tcp::socket server_;
  tcp::acceptor acceptor_;
  tcp::socket client_;
  bool trickles_ = false;
  bool has_ended_ = false;
};

class SlowTransfers : public ::testing::Test {
 protected:
  SlowTransfers() {
    router_.add("POST", "/stream", [this](HttpExchange& exchange, const PathParameters&) { return take(exchange); });
    router_.add("GET", "/events",
                [this](HttpExchange& exchange, const PathParameters&) { return send_events(exchange); });
    options_.address = "127.0.0.1:0";
  }

  // Handles a body as it comes.
  asio::awaitable<void> take(HttpExchange& exchange) {
    std::array<char, 16 * base::kKibibyte> buffer{};
    for (;;) {
      const std::size_t n = co_await exchange.read_some_body(buffer);
      if (n == 0) break;
      taken_ += n;
    }
    co_await exchange.respond(text_response(200, "taken"));
  }

  // Events without end, while it listens for the client's.
  asio::awaitable<void> send_events(HttpExchange& exchange) {
    const auto executor = co_await asio::this_coro::executor;
    ResponseHead head;
    auto response = co_await SseResponse::begin(exchange, std::move(head), 300ms);
    base::TaskGroup group(executor, base::Logger::discard());
    group.spawn("client", response->client_gone());
    const SseResponse::Events events{std::make_shared<const std::string>(1 << 20, 'x')};
    try {
      for (;;) co_await response->write(events);
    } catch (const boost::system::system_error& e) {
      if (base::is_cancellation(e)) throw;
      events_ended_ = true;
    }
    co_await group.stop();
  }

  std::unique_ptr<HttpServer> start(asio::any_io_executor executor) {
    auto server = std::make_unique<HttpServer>(executor, options_, router_.handler(), base::Logger::discard());
    server->listen();
    server->start();
    return server;
  }

  // Writes `piece` with pauses until `length` bytes are written or the server has had enough, and reads the answer.
  static asio::awaitable<std::string> send_slowly(const HttpServer& server, std::string piece, std::size_t length) {
    auto stream = co_await connect(Endpoint::parse("http://" + server.address()), std::nullopt, 2s);
    co_await stream->write("POST /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
                           std::to_string(length) + "\r\n\r\n");
    try {
      for (std::size_t sent = 0; sent < length; sent += piece.size()) {
        if (stream->has_pending_input()) break;
        co_await base::sleep_for(kBetweenBytes);
        co_await stream->write(piece);
      }
    } catch (const boost::system::system_error& e) {
      if (base::is_cancellation(e)) throw;
    }
    std::array<char, 4096> buffer{};
    stream->set_deadline(steady_clock::now() + kCutWithin);
    const std::size_t n = co_await stream->read_some(buffer);
    co_return std::string(buffer.data(), n);
  }

  HttpRouter router_;
  HttpServerOptions options_;
  std::size_t taken_ = 0;
  bool events_ended_ = false;
};

TEST_F(SlowTransfers, OfLittleEndAtTheLimitForABody) {
  options_.limits.body = 300ms;
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    const auto begun = steady_clock::now();
    const std::string answer = co_await send_slowly(*server, "x", 1 << 20);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 408 ")) << answer;
    EXPECT_LT(steady_clock::now() - begun, kCutWithin);
    co_await server->stop(1s);
  });
}

TEST_F(SlowTransfers, OfMuchMayTakeLongerThanTheLimitForABody) {
  options_.limits.body = 300ms;
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    const auto begun = steady_clock::now();
    const std::size_t length = std::size_t{64} * 4096;
    const std::string answer = co_await send_slowly(*server, std::string(4096, 'x'), length);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
    EXPECT_EQ(taken_, length);
    EXPECT_GT(steady_clock::now() - begun, options_.limits.body);
    co_await server->stop(1s);
  });
}

TEST_F(SlowTransfers, EndAtTheLimitForATransferHoweverMuchComes) {
  options_.limits.transfer = 300ms;
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    const auto begun = steady_clock::now();
    const std::string answer = co_await send_slowly(*server, std::string(4096, 'x'), std::size_t{1} << 30);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 408 ")) << answer;
    EXPECT_LT(steady_clock::now() - begun, kCutWithin);
    co_await server->stop(1s);
  });
}

// Bytes come, and none of them is a byte of a request before the record is whole.
TEST_F(SlowTransfers, OfATlsRecordEndWhenTheConnectionIsIdleForTooLong) {
  TestCertificates certificates;
  options_.tls = TlsContext::mutual_server(certificates.server());
  options_.limits.idle = 300ms;
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    TricklingRelay relay(executor, server->address());
    base::TaskGroup group(executor, base::Logger::discard());
    group.spawn("requests", relay.requests());
    const auto tls = TlsContext::client(certificates.client());
    group.spawn("answers", relay.answers());
    auto stream = co_await connect(Endpoint::parse(relay.url()), tls, 5s);
    // The handshake is over on both sides when there was an answer.
    co_await stream->write("GET /none HTTP/1.1\r\nHost: x\r\n\r\n");
    std::array<char, 4096> answer{};
    co_await stream->read_some(answer);
    relay.trickle();
    co_await stream->write("GET /none HTTP/1.1\r\nX: " + std::string(8000, 'x') + "\r\n\r\n");
    const auto begun = steady_clock::now();
    while (!relay.has_ended() && steady_clock::now() - begun < kCutWithin) co_await base::sleep_for(5ms);
    EXPECT_TRUE(relay.has_ended());
    stream->close();
    co_await group.stop();
    co_await server->stop(1s);
  });
}

TEST_F(SlowTransfers, OfEventsEndAlsoIfTheClientSendsMeanwhile) {
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    auto stream = co_await connect(Endpoint::parse("http://" + server->address()), std::nullopt, 2s);
    co_await stream->write("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
    // Reads much, so that the writer waits more than once, and then nothing more.
    std::vector<char> buffer(64 * base::kKibibyte);
    const auto begun = steady_clock::now();
    for (std::size_t read = 0; !events_ended_ && steady_clock::now() - begun < kCutWithin;) {
      if (read < (16u << 20)) {
        read += co_await stream->read_some(buffer);
      } else {
        co_await base::sleep_for(5ms);
      }
      try {
        co_await stream->write("x");
      } catch (const boost::system::system_error&) {
        // The server has ended the connection.
      }
    }
    EXPECT_TRUE(events_ended_);
    stream.reset();
    co_await server->stop(1s);
  });
}

}  // namespace
}  // namespace rivera::net
