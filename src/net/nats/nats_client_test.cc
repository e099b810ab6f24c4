#include "net/nats/nats_client.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/testing/test_run.h"
#include "base/work/wait.h"
#include "net/nats/nats_protocol.h"
#include "net/testing/nats_test_server.h"
#include "net/testing/stopped_server.h"
#include "net/testing/test_certificates.h"
#include "net/testing/test_name_server.h"

namespace rivera::net {
namespace {

using base::run;

using namespace std::chrono_literals;

TEST(NatsParser, CutsFramesWhereverTheBytesAreSplit) {
  const std::string wire =
      "INFO {\"a\":1} \r\nMSG a.b 7 3\r\nx\r\n\r\nMSG c 8 reply.to 0\r\n\r\nPING\r\npong\r\n+OK\r\n-ERR 'No way'\r\n";
  for (std::size_t split = 0; split <= wire.size(); ++split) {
    NatsParser parser;
    std::vector<std::string> seen;
    const auto drain = [&] {
      while (auto f = parser.next()) {
        seen.push_back(fmt::format("{}|{}|{}|{}|{}|{}", static_cast<int>(f->kind), f->text, f->sid, f->subject,
                                   f->reply, f->payload));
      }
    };
    parser.feed(wire.substr(0, split));
    drain();
    parser.feed(wire.substr(split));
    drain();
    const std::vector<std::string> expected = {"0|{\"a\":1}|0|||", "1||7|a.b||x\r\n", "1||8|c|reply.to|", "4||0|||",
                                               "5||0|||",          "2||0|||",         "3|No way|0|||"};
    ASSERT_EQ(seen, expected) << "split at " << split;
  }
}

TEST(NatsParser, RefusesWhatIsNotTheProtocol) {
  for (const char* bad : {"HELLO\r\n", "MSG a x 3\r\nabc\r\n", "MSG a 1 -3\r\n", "MSG a 1 3\r\nabcdef\r\n", "\r\n",
                          "MSG a 1 99999999999999999999\r\n", "MSG a 1 9000000\r\n"}) {
    NatsParser parser(1000);
    parser.feed(bad);
    EXPECT_THROW(parser.next(), NatsProtocolError) << bad;
  }
}

TEST(NatsParser, RefusesALineWithoutEnd) {
  NatsParser parser;
  parser.feed("INFO " + std::string(2u << 20, 'x'));
  EXPECT_THROW(parser.next(), NatsProtocolError);
}

NatsClientOptions options_for(const NatsTestServer& server) {
  NatsClientOptions options;
  options.servers = {server.address()};
  options.reconnect_wait = 10ms;
  return options;
}

asio::awaitable<void> until(std::function<bool()> condition) {
  while (!condition()) co_await base::sleep_for(5ms);
}

TEST(NatsClient, DeliversMessagesInOrderToExactAndWildcardSubscriptions) {
  NatsTestServer server;
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    NatsClient client(executor, options_for(server), base::Logger::discard());
    co_await client.connect();
    std::vector<std::string> exact, wild;
    auto a = client.subscribe("router.register", [&](const NatsMessage& m) { exact.emplace_back(m.payload); });
    auto b = client.subscribe("router.*", [&](const NatsMessage& m) { wild.push_back(std::string(m.subject)); });
    for (int i = 0; i < 1000; ++i) client.publish("router.register", std::to_string(i));
    client.publish("router.greet", "");
    client.publish("router.a.b", "not for the wildcard");
    co_await client.flush(10s);
    EXPECT_EQ(exact.size(), 1000u);
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(exact.at(static_cast<std::size_t>(i)), std::to_string(i));
    EXPECT_EQ(wild.size(), 1001u);
    EXPECT_EQ(wild.back(), "router.greet");
    co_await client.close();
  });
}

TEST(NatsClient, StopsDeliveringWhenTheSubscriptionEnds) {
  NatsTestServer server;
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    NatsClient client(executor, options_for(server), base::Logger::discard());
    co_await client.connect();
    int limited = 0, ended = 0;
    auto a = client.subscribe(
        "x", [&](const NatsMessage&) { ++limited; }, 2);
    auto b = client.subscribe("x", [&](const NatsMessage&) { ++ended; });
    b.reset();
    for (int i = 0; i < 5; ++i) client.publish("x", "");
    co_await client.flush(10s);
    EXPECT_EQ(limited, 2);
    EXPECT_EQ(ended, 0);
    co_await client.close();
  });
}

TEST(NatsClient, AnswersRequests) {
  NatsTestServer server;
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    NatsClient client(executor, options_for(server), base::Logger::discard());
    co_await client.connect();
    auto service =
        client.subscribe("ask", [&](const NatsMessage& m) { client.publish(m.reply, std::string(m.payload) + "!"); });
    const std::string answer = co_await client.request("ask", "hello", 10s);
    EXPECT_EQ(answer, "hello!");
    bool no_responders = false;
    try {
      co_await client.request("nobody", "", 20ms);
    } catch (const base::DeadlineExceeded&) {
      no_responders = true;
    }
    EXPECT_TRUE(no_responders);
    co_await client.close();
  });
}

TEST(NatsClient, ReconnectsWithItsSubscriptionsAndSendsWhatWasPublishedMeanwhile) {
  NatsTestServer server;
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    std::vector<NatsEvent> events;
    auto options = options_for(server);
    options.on_event = [&](NatsEvent event, const std::string&) { events.push_back(event); };
    NatsClient client(executor, options, base::Logger::discard());
    co_await client.connect();
    std::vector<std::string> got;
    auto a = client.subscribe("x", [&](const NatsMessage& m) { got.emplace_back(m.payload); });
    auto limited = client.subscribe(
        "x", [&](const NatsMessage&) {}, 5);
    co_await client.flush(10s);
    server.stop();
    co_await until([&] { return !client.is_connected(); });
    client.publish("x", "while away");
    server.start();
    co_await until([&] { return !got.empty(); });
    EXPECT_EQ(got, std::vector<std::string>{"while away"});
    EXPECT_EQ(events, (std::vector<NatsEvent>{NatsEvent::kDisconnected, NatsEvent::kReconnected}));
    co_await client.close();
    EXPECT_EQ(events.back(), NatsEvent::kClosed);
  });
}

TEST(NatsClient, TriesTheNextServerWhenOneIsAway) {
  NatsTestServer server, other;
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto options = options_for(server);
    options.servers.push_back(other.address());
    NatsClient client(executor, options, base::Logger::discard());
    co_await client.connect();
    const std::string first = client.server();
    (first == server.address() ? server : other).stop();
    co_await until([&] { return client.is_connected() && client.server() != first; });
    co_await client.flush(10s);
    co_await client.close();
  });
}

TEST(NatsClient, LeavesAnAddressThatAcceptsConnectionsAndSaysNothing) {
  NatsTestServer server;
  const StoppedServer stopped("127.0.0.2", server.port());
  const std::map<std::string, std::string> known{{"nats.test.internal", "127.0.0.2,127.0.0.1"}};
  const TestNameServer names(known);
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto options = options_for(server);
    options.servers = {"nats.test.internal:" + std::to_string(server.port())};
    options.connect_timeout = 20s;
    NatsClient client(executor, options, base::Logger::discard());
    const auto begun = std::chrono::steady_clock::now();
    co_await client.connect();
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
    co_await client.flush(10s);
    co_await client.close();
  });
}

TEST(NatsClient, BoundsWhatItKeepsWhileDisconnected) {
  NatsTestServer server;
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto options = options_for(server);
    options.output_limit = 1000;
    NatsClient client(executor, options, base::Logger::discard());
    co_await client.connect();
    server.stop();
    co_await until([&] { return !client.is_connected(); });
    const std::string payload(300, 'x');
    EXPECT_NO_THROW(client.publish("x", payload));
    EXPECT_NO_THROW(client.publish("x", payload));
    EXPECT_NO_THROW(client.publish("x", payload));
    EXPECT_THROW(client.publish("x", payload), NatsError);
    co_await client.close();
  });
}

TEST(NatsClient, SaysWhyItCannotConnect) {
  NatsTestServer server("authorization { user: u, password: right }");
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto options = options_for(server);
    options.user = "u";
    options.password = "wrong";
    NatsClient refused(executor, options, base::Logger::discard());
    std::string reason;
    try {
      co_await refused.connect();
    } catch (const NatsError& e) {
      reason = e.what();
    }
    EXPECT_NE(reason.find("Authorization Violation"), std::string::npos) << reason;
    EXPECT_EQ(reason.find("wrong"), std::string::npos);
    options.password = "right";
    NatsClient accepted(executor, options, base::Logger::discard());
    co_await accepted.connect();
    co_await accepted.close();
  });
}

TEST(NatsClient, ClosesForGoodWhenAServerRefusesItTwice) {
  NatsTestServer server("authorization { user: u, password: right }");
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto options = options_for(server);
    options.user = "u";
    options.password = "right";
    bool closed = false;
    options.on_event = [&](NatsEvent event, const std::string&) { closed |= event == NatsEvent::kClosed; };
    NatsClient client(executor, options, base::Logger::discard());
    co_await client.connect();
    server.stop();
    server.reconfigure("authorization { user: u, password: changed }");
    server.start();
    co_await until([&] { return closed; });
    EXPECT_FALSE(client.is_connected());
  });
}

TEST(NatsClient, SpeaksMutualTlsAndChecksTheServersName) {
  TestCertificates certificates;
  const TlsFiles& files = certificates.server();
  const CertificateRequest elsewhere{.common_name = "other", .dns_names = {"other.example"}, .addresses = {}};
  const TlsFiles wrong = certificates.issue(elsewhere);
  const auto configuration = [&](const TlsFiles& f) {
    return fmt::format("tls {{ cert_file: \"{}\"\nkey_file: \"{}\"\nca_file: \"{}\"\nverify: true }}",
                       f.certificate_file, f.key_file, f.ca_file);
  };
  NatsTestServer server(configuration(files));
  NatsTestServer impostor(configuration(wrong));
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto options = options_for(server);
    options.tls = TlsContext::client(certificates.client());
    NatsClient client(executor, options, base::Logger::discard());
    co_await client.connect();
    int got = 0;
    auto a = client.subscribe("x", [&](const NatsMessage&) { ++got; });
    client.publish("x", "");
    co_await client.flush(10s);
    EXPECT_EQ(got, 1);
    co_await client.close();

    options.servers = {impostor.address()};
    NatsClient careful(executor, options, base::Logger::discard());
    bool refused = false;
    try {
      co_await careful.connect();
    } catch (const NatsError&) {
      refused = true;
    }
    EXPECT_TRUE(refused);
  });
}

TEST(NatsClient, MayBeDestroyedWithoutClosing) {
  NatsTestServer server;
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto client = std::make_unique<NatsClient>(executor, options_for(server), base::Logger::discard());
    co_await client->connect();
    client.reset();
  });
}

TEST(NatsClient, RefusesSubjectsThatWouldBreakTheLine) {
  NatsTestServer server;
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    NatsClient client(executor, options_for(server), base::Logger::discard());
    co_await client.connect();
    EXPECT_THROW(client.publish("a b", ""), std::invalid_argument);
    EXPECT_THROW(client.publish("", ""), std::invalid_argument);
    EXPECT_THROW(client.publish("a", "", "x\r\nPUB"), std::invalid_argument);
    co_await client.close();
  });
}

}  // namespace
}  // namespace rivera::net
