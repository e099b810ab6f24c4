#include "net/stream/stream.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include "base/testing/test_run.h"
#include "base/work/task_group.h"
#include "net/stream/stream_factory.h"
#include "net/testing/test_certificates.h"

namespace rivera::net {
namespace {

using base::run;

using namespace std::chrono_literals;

struct ConnectedSockets {
  TcpSocket client, server;
};

asio::awaitable<ConnectedSockets> connect_sockets(asio::any_io_executor executor) {
  asio::ip::tcp::acceptor acceptor(executor, {asio::ip::address_v4::loopback(), 0});
  TcpSocket client(executor);
  co_await client.async_connect(acceptor.local_endpoint(), asio::use_awaitable);
  TcpSocket server = co_await acceptor.async_accept(asio::use_awaitable);
  co_return ConnectedSockets{std::move(client), std::move(server)};
}

asio::awaitable<std::string> read_bytes(Stream& stream, std::size_t wanted) {
  std::string bytes;
  std::vector<char> buffer(3000);  // smaller than a record
  while (bytes.size() < wanted) {
    const std::size_t n = co_await stream.read_some(buffer);
    if (n == 0) break;
    bytes.append(buffer.data(), n);
  }
  co_return bytes;
}

asio::awaitable<error_code> failure_of(asio::awaitable<void> work) {
  try {
    co_await std::move(work);
  } catch (const boost::system::system_error& e) {
    co_return e.code();
  }
  co_return error_code();
}

asio::awaitable<void> ignore_bytes(asio::awaitable<std::size_t> reading) { co_await std::move(reading); }

// The two ends of a connection, with TLS or without.
class StreamTest : public testing::TestWithParam<bool> {
 protected:
  using Body = std::function<asio::awaitable<void>(Stream& client, Stream& server)>;

  void with_streams(Body body) {
    run([this, &body](asio::any_io_executor executor) { return connect(executor, body); });
  }

 private:
  asio::awaitable<void> connect(asio::any_io_executor executor, Body& body) {
    auto connecting = connect_sockets(executor);
    ConnectedSockets sockets = co_await std::move(connecting);
    std::unique_ptr<Stream> client, server;
    if (!GetParam()) {
      client = make_stream(std::move(sockets.client));
      server = make_stream(std::move(sockets.server));
    } else {
      base::TaskGroup group(executor, base::Logger("test"));
      group.spawn("accept", accept(std::move(sockets.server), server));
      auto dialling =
          connect_tls(std::move(sockets.client), TlsContext::client(certificates_.client()), "localhost", 10s);
      client = co_await std::move(dialling);
      co_await group.join();
    }
    co_await body(*client, *server);
  }

  asio::awaitable<void> accept(TcpSocket socket, std::unique_ptr<Stream>& into) {
    auto accepting = accept_tls(std::move(socket), TlsContext::mutual_server(certificates_.server()), 10s);
    into = co_await std::move(accepting);
  }

  TestCertificates certificates_;
};

asio::awaitable<void> send_and_finish(Stream& stream, const std::string& bytes) {
  co_await stream.write(bytes);
  co_await stream.shutdown_write();
}

asio::awaitable<void> carry_much(Stream& client, Stream& server) {
  std::string sent(5'000'000, ' ');
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>('a' + i * i % 26);
  base::TaskGroup group(client.executor(), base::Logger("test"));
  group.spawn("send", send_and_finish(client, sent));
  auto reading = read_bytes(server, sent.size() + 1);
  const std::string received = co_await std::move(reading);
  EXPECT_TRUE(received == sent) << received.size();
  co_await group.join();
  co_await server.write("still here");
  auto answer = read_bytes(client, 10);
  EXPECT_EQ(co_await std::move(answer), "still here") << "the other direction is open";
}

TEST_P(StreamTest, CarriesMuchAndEndsOneDirectionAlone) { with_streams(carry_much); }

asio::awaitable<void> limit_each(Stream& client, Stream& server) {
  base::TaskGroup group(client.executor(), base::Logger("test"));
  const std::string much(64u << 20, 'x');
  error_code failure;
  bool writing = true;
  auto write_much = [&]() -> asio::awaitable<void> {
    auto stuck = failure_of(client.write(much));
    failure = co_await std::move(stuck);
    writing = false;
  };
  client.set_timeout(500ms);
  group.spawn("write", write_much());  // the peer does not read
  client.set_timeout(0ns);
  co_await server.write("hello");
  auto reading = read_bytes(client, 5);
  EXPECT_EQ(co_await std::move(reading), "hello");
  EXPECT_TRUE(writing) << "the reader has not waited for the writer";
  client.set_timeout(50ms);
  co_await group.join();
  EXPECT_EQ(failure, asio::error::timed_out);

  char byte = 0;
  auto silent = failure_of(ignore_bytes(client.read_some({&byte, 1})));
  EXPECT_EQ(co_await std::move(silent), asio::error::timed_out);
  co_await server.write("!");
  const std::size_t n = co_await client.read_some({&byte, 1});
  EXPECT_EQ(n, 1u) << "a limit ends a wait, not the stream";
  EXPECT_EQ(byte, '!');
}

TEST_P(StreamTest, LimitsReadsAndWritesIndependently) { with_streams(limit_each); }

asio::awaitable<void> see_the_end(Stream& client, Stream& server) {
  EXPECT_FALSE(server.peer_closed());
  EXPECT_FALSE(server.has_pending_input());
  co_await server.write("x");
  auto reading = read_bytes(client, 1);  // and what TLS has sent: closing on unread bytes resets the connection
  EXPECT_EQ(co_await std::move(reading), "x");
  client.close();
  char byte = 0;
  const std::size_t n = co_await server.read_some({&byte, 1});
  EXPECT_EQ(n, 0u);
  EXPECT_TRUE(server.peer_closed());
}

TEST_P(StreamTest, SeesThatThePeerHasClosed) { with_streams(see_the_end); }

INSTANTIATE_TEST_SUITE_P(Kinds, StreamTest, testing::Values(false, true),
                         [](const auto& kind) { return kind.param ? "Tls" : "Plain"; });

asio::awaitable<void> trickle(asio::any_io_executor executor, TlsContext context) {
  auto connecting = connect_sockets(executor);
  ConnectedSockets sockets = co_await std::move(connecting);
  base::TaskGroup group(executor, base::Logger("test"));
  bool over = false;
  auto drip = [&]() -> asio::awaitable<void> {
    const std::string record("\x16\x03\x01\x02\x00", 5);  // the head of one that never comes whole
    co_await asio::async_write(sockets.client, asio::buffer(record), asio::use_awaitable);
    while (!over) {
      co_await base::sleep_for(20ms);
      error_code ignored;
      co_await asio::async_write(sockets.client, asio::buffer("\x01", 1),
                                 asio::redirect_error(asio::use_awaitable, ignored));
    }
  };
  group.spawn("drip", drip());
  error_code failure;
  try {
    auto accepting = accept_tls(std::move(sockets.server), context, 200ms);
    co_await std::move(accepting);
  } catch (const boost::system::system_error& e) {
    failure = e.code();
  }
  over = true;
  co_await group.join();
  EXPECT_EQ(failure, asio::error::timed_out);
}

TEST(TlsHandshake, IsLimitedAsAWholeHoweverItTrickles) {
  TestCertificates certificates;
  const TlsContext context = TlsContext::mutual_server(certificates.server());
  run([&context](asio::any_io_executor executor) { return trickle(executor, context); });
}

}  // namespace
}  // namespace rivera::net
