#include "gorouter/proxy/request_body.h"

#include <gtest/gtest.h>

#include "base/testing/test_run.h"
#include "base/units.h"
#include "gorouter/testing/gorouter_harness.h"
#include "gorouter/testing/raw_backend.h"

namespace rivera::gorouter {
namespace {

using Fault = RequestBody::Fault;
using FramingKind = net::Http1Framing::Kind;

// A client's connection, and a backend's: `client` and `application` are what the other processes would hold.
struct BodyTest : ::testing::Test {
  void with_connections(std::function<asio::awaitable<void>()> body) {
    base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
      executor_ = executor;
      RawBackend server(executor);
      client = co_await server.connect();
      router_side = co_await server.accept();
      backend = std::make_shared<BackendConnection>();
      backend->stream = co_await server.connect();
      application = co_await server.accept();
      co_await body();
      client.reset();
      router_side.reset();
      backend.reset();
      application.reset();
      executor_ = {};
    });
  }

  // What the client sends first is read ahead with the head, which is left out.
  asio::awaitable<void> arrive(std::string bytes) {
    const std::string message = "\r\n\r\n" + bytes;
    co_await client->write("GET / HTTP/1.1" + message);
    std::string head;
    co_await reader.read_head(*router_side, head, 1024);
  }
  RequestBody body_of(net::Http1Framing framing) {
    reader.begin_body(framing);
    return RequestBody(executor_, *router_side, reader, framing);
  }

  asio::any_io_executor executor_;
  std::unique_ptr<net::Stream> client, router_side, application;
  std::shared_ptr<BackendConnection> backend;
  net::Http1Reader reader;
};

TEST_F(BodyTest, OfNothingIsForwardedFromTheStart) {
  with_connections([&]() -> asio::awaitable<void> {
    RequestBody body = body_of({});
    std::string out = "head";
    body.append_buffered(out);
    EXPECT_EQ(out, "head");
    EXPECT_TRUE(body.is_forwarded());
    EXPECT_FALSE(body.is_pending());
    EXPECT_FALSE(body.has_started());
    co_return;
  });
}

TEST_F(BodyTest, GoesWithTheHeadIfItArrivedWithIt) {
  with_connections([&]() -> asio::awaitable<void> {
    co_await arrive("two");
    RequestBody body = body_of({FramingKind::kLength, 3});
    std::string out;
    body.append_buffered(out);
    EXPECT_EQ(out, "two");
    EXPECT_TRUE(body.is_forwarded());
    EXPECT_TRUE(body.has_started());
    EXPECT_EQ(body.received(), 3u);
  });
}

TEST_F(BodyTest, WithoutDataInChunksIsSentWithEveryAttempt) {
  with_connections([&]() -> asio::awaitable<void> {
    co_await arrive("0\r\nX-Sum: 1\r\n\r\n");
    RequestBody body = body_of({FramingKind::kChunked, 0});
    for (int attempt = 0; attempt < 2; ++attempt) {
      std::string out;
      body.append_buffered(out);
      EXPECT_EQ(out, "0\r\nX-Sum: 1\r\n\r\n") << attempt;
      EXPECT_TRUE(body.is_forwarded());
      EXPECT_FALSE(body.has_started());
    }
  });
}

TEST_F(BodyTest, IsForwardedAsItArrives) {
  with_connections([&]() -> asio::awaitable<void> {
    co_await arrive("3\r\none\r\n");
    RequestBody body = body_of({FramingKind::kChunked, 0});
    std::string out;
    body.append_buffered(out);
    EXPECT_EQ(out, "3\r\none\r\n");
    EXPECT_FALSE(body.is_forwarded());
    body.start_forwarding(backend);
    EXPECT_TRUE(body.is_moving());
    co_await client->write("3\r\ntwo\r\n");
    std::string seen = co_await read_until(*application, "two\r\n");
    EXPECT_EQ(seen, "3\r\ntwo\r\n");
    co_await client->write("0\r\n\r\n");
    co_await body.stopped();
    seen = co_await read_until(*application, "\r\n\r\n");
    EXPECT_EQ(seen, "0\r\n\r\n");
    EXPECT_TRUE(body.is_forwarded());
    EXPECT_EQ(body.received(), 6u);
    EXPECT_EQ(body.fault(), Fault::kNone);
  });
}

TEST_F(BodyTest, OfAClientThatDisconnectsClosesTheBackendsConnection) {
  with_connections([&]() -> asio::awaitable<void> {
    RequestBody body = body_of({FramingKind::kLength, 10});
    body.start_forwarding(backend);
    co_await client->write("half");
    client->close();
    const std::string seen = co_await read_to_end(*application);
    EXPECT_EQ(seen, "half");
    co_await body.stopped();
    EXPECT_EQ(body.fault(), Fault::kDisconnected);
    EXPECT_FALSE(body.is_forwarded());
  });
}

TEST_F(BodyTest, ThatIsMalformedClosesTheBackendsConnection) {
  with_connections([&]() -> asio::awaitable<void> {
    RequestBody body = body_of({FramingKind::kChunked, 0});
    body.start_forwarding(backend);
    co_await client->write("zz\r\n");
    const std::string seen = co_await read_to_end(*application);
    EXPECT_EQ(seen, "");
    co_await body.stopped();
    EXPECT_EQ(body.fault(), Fault::kMalformed);
  });
}

TEST_F(BodyTest, IsReadOnWithoutABackendThatStopsReading) {
  with_connections([&]() -> asio::awaitable<void> {
    RequestBody body = body_of({FramingKind::kLength, 4});
    backend->stream->close();
    body.start_forwarding(backend);
    co_await client->write("body");
    co_await body.stopped();
    EXPECT_FALSE(body.is_pending());
    EXPECT_FALSE(body.is_forwarded());
    EXPECT_EQ(body.fault(), Fault::kNone);
  });
}

TEST_F(BodyTest, IsDiscardedUpToALimit) {
  with_connections([&]() -> asio::awaitable<void> {
    RequestBody small = body_of({FramingKind::kLength, 4});
    co_await client->write("body");
    co_await small.discard_rest();
    EXPECT_FALSE(small.is_pending());
    RequestBody large = body_of({FramingKind::kLength, 1u << 30});
    const std::string piece(512 * base::kKibibyte, 'x');
    co_await client->write(piece);
    co_await large.discard_rest();
    EXPECT_TRUE(large.is_pending());
    EXPECT_LT(large.received(), piece.size());
    EXPECT_EQ(large.fault(), Fault::kNone);
  });
}

}  // namespace
}  // namespace rivera::gorouter
