// The client against servers that a test plays byte by byte.
#include "net/http/http_client.h"

#include <boost/asio/ip/tcp.hpp>
#include <gtest/gtest.h>

#include "base/testing/test_run.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "net/sse/sse.h"
#include "net/stream/stream_factory.h"
#include "net/testing/stopped_server.h"

namespace rivera::net {
namespace {

using namespace std::chrono_literals;

// A listening socket; the test reads and writes on the connections.
class ScriptedServer {
 public:
  explicit ScriptedServer(asio::any_io_executor executor)
      : acceptor_(executor, {asio::ip::address_v4::loopback(), 0}) {}

  Endpoint endpoint() const {
    return Endpoint::parse("http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()));
  }
  asio::awaitable<std::unique_ptr<Stream>> accept() {
    TcpSocket socket = co_await acceptor_.async_accept(asio::use_awaitable);
    co_return make_stream(std::move(socket));
  }

 private:
  asio::ip::tcp::acceptor acceptor_;
};

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

// Until a head and `body` bytes have come; what has come if the stream ends before.
asio::awaitable<std::string> read_request(Stream& stream, std::size_t body) {
  std::string got;
  char buffer[4096];
  for (;;) {
    const auto end = got.find("\r\n\r\n");
    if (end != std::string::npos && got.size() >= end + 4 + body) break;
    const std::size_t n = co_await stream.read_some(buffer);
    if (n == 0) break;
    got.append(buffer, n);
  }
  co_return got;
}

HttpRequest request(std::string method, std::string body = "") {
  HttpRequest out;
  out.method = std::move(method);
  out.target = "/";
  out.body = std::move(body);
  return out;
}

struct Ended {
  int status = 0;
  std::string failure;
  bool was_sent = false;
};

asio::awaitable<Ended> outcome_of(HttpClient& client, Endpoint endpoint, HttpRequest what) {
  Ended ended;
  try {
    const auto response = co_await client.send(std::move(endpoint), std::move(what));
    ended.status = response.status;
  } catch (const TransportError& e) {
    ended.failure = e.what();
    ended.was_sent = e.sent;
  }
  co_return ended;
}

// Answers one request on a connection, takes a second one and breaks off without an answer. Requests on any further
// connection are answered.
struct BreaksOnReuse {
  explicit BreaksOnReuse(asio::any_io_executor executor) : server(executor) {}
  asio::awaitable<void> serve(std::size_t body) {
    for (;;) {
      auto stream = co_await server.accept();
      std::string got = co_await read_request(*stream, body);
      requests += !got.empty();
      co_await stream->write(kOk);
      if (connections++ > 0) continue;
      got = co_await read_request(*stream, body);
      requests += !got.empty();
    }
  }
  ScriptedServer server;
  int requests = 0;
  int connections = 0;
};

TEST(HttpClient, NeverSendsAPostTwice) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    BreaksOnReuse peer(executor);
    base::TaskGroup group(executor, base::Logger("test"));
    group.spawn("serve", peer.serve(4));
    HttpClient client(executor);
    auto ended = co_await outcome_of(client, peer.server.endpoint(), request("POST", "work"));
    EXPECT_EQ(ended.status, 200);
    ended = co_await outcome_of(client, peer.server.endpoint(), request("POST", "work"));
    EXPECT_NE(ended.failure, "");
    EXPECT_TRUE(ended.was_sent);
    EXPECT_EQ(peer.requests, 2);
    co_await group.stop();
  });
}

TEST(HttpClient, SendsAnIdempotentRequestAgainWhenAKeptConnectionBreaks) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    for (const char* method : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"}) {
      BreaksOnReuse peer(executor);
      base::TaskGroup group(executor, base::Logger("test"));
      group.spawn("serve", peer.serve(0));
      HttpClient client(executor);
      for (int i = 0; i < 2; ++i) {
        const auto ended = co_await outcome_of(client, peer.server.endpoint(), request(method));
        EXPECT_EQ(ended.status, 200) << method << ": " << ended.failure;
      }
      EXPECT_EQ(peer.requests, 3) << method;
      co_await group.stop();
    }
  });
}

TEST(HttpClient, NoticesBeforeItWritesThatTheServerHasClosedAKeptConnection) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    ScriptedServer server(executor);
    int requests = 0;
    auto serve = [&]() -> asio::awaitable<void> {
      for (;;) {
        auto stream = co_await server.accept();
        const std::string got = co_await read_request(*stream, 4);
        requests += !got.empty();
        co_await stream->write(kOk);
      }
    };
    base::TaskGroup group(executor, base::Logger("test"));
    group.spawn("serve", serve());
    HttpClient client(executor);
    for (int i = 0; i < 3; ++i) {
      const auto ended = co_await outcome_of(client, server.endpoint(), request("POST", "work"));
      EXPECT_EQ(ended.status, 200) << ended.failure;
    }
    EXPECT_EQ(requests, 3);
    co_await group.stop();
  });
}

// Serves one request on each of `servers`; then counts the connections that the client closes.
struct Watched {
  explicit Watched(asio::any_io_executor executor) : server(executor), changed(executor) {}
  asio::awaitable<void> serve() {
    auto stream = co_await server.accept();
    const std::string got = co_await read_request(*stream, 0);
    co_await stream->write(kOk);
    char byte = 0;
    const std::size_t n = co_await stream->read_some({&byte, 1});
    is_closed = n == 0;
    changed.notify_all();
  }
  ScriptedServer server;
  base::Condition changed;
  bool is_closed = false;
};

TEST(HttpClient, ClosesConnectionsThatAreIdleForTooLongAlthoughNothingIsAskedOfIt) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    Watched watched(executor);
    base::TaskGroup group(executor, base::Logger("test"));
    group.spawn("serve", watched.serve());
    HttpClientOptions options;
    options.idle_timeout = 50ms;
    HttpClient client(executor, options);
    const auto ended = co_await outcome_of(client, watched.server.endpoint(), request("GET"));
    EXPECT_EQ(ended.status, 200);
    while (!watched.is_closed) {
      const bool in_time = co_await watched.changed.wait_for(10s);
      EXPECT_TRUE(in_time);
      if (!in_time) break;
    }
    co_await group.stop();
  });
}

TEST(HttpClient, KeepsNoMoreConnectionsThanItMay) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    Watched first(executor), second(executor);
    base::TaskGroup group(executor, base::Logger("test"));
    group.spawn("first", first.serve());
    group.spawn("second", second.serve());
    HttpClientOptions options;
    options.max_idle = 1;
    HttpClient client(executor, options);
    auto ended = co_await outcome_of(client, first.server.endpoint(), request("GET"));
    EXPECT_EQ(ended.status, 200);
    ended = co_await outcome_of(client, second.server.endpoint(), request("GET"));
    EXPECT_EQ(ended.status, 200);
    while (!second.is_closed) co_await second.changed.wait();
    EXPECT_FALSE(first.is_closed);
    co_await group.stop();
  });
}

TEST(HttpClient, LimitsAWholeRequestHoweverItsAnswerTrickles) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    for (const std::string_view answer : {std::string_view("HTTP/1.1 200 OK\r\nX: "),
                                          std::string_view("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")}) {
      ScriptedServer server(executor);
      auto serve = [&]() -> asio::awaitable<void> {
        auto stream = co_await server.accept();
        co_await stream->write(answer);
        for (;;) {
          co_await base::sleep_for(10ms);
          co_await stream->write("x");
        }
      };
      base::TaskGroup group(executor, base::Logger("test"));
      group.spawn("serve", serve());
      HttpClient client(executor);
      bool has_expired = false;
      try {
        co_await client.send(server.endpoint(), request("GET"), 200ms);
      } catch (const base::DeadlineExceeded& e) {
        has_expired = true;
        EXPECT_EQ(std::string(e.what()), "GET " + server.endpoint().text() + "/: no answer within 200ms");
      }
      EXPECT_TRUE(has_expired);
      co_await group.stop();
    }
  });
}

// Answers every connection's first request, and never a second one.
struct FallsSilent {
  explicit FallsSilent(asio::any_io_executor executor) : server(executor) {}
  asio::awaitable<void> serve() {
    for (;;) {
      streams.push_back(co_await server.accept());
      const std::string got = co_await read_request(*streams.back(), 0);
      co_await streams.back()->write(kOk);
    }
  }
  ScriptedServer server;
  std::vector<std::unique_ptr<Stream>> streams;
};

TEST(HttpClient, TrustsNoIdleConnectionToAServerThatDidNotAnswerInTime) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    FallsSilent peer(executor);
    base::TaskGroup group(executor, base::Logger("test"));
    HttpClient client(executor);
    int answered = 0;
    auto ask = [&]() -> asio::awaitable<void> {
      const auto ended = co_await outcome_of(client, peer.server.endpoint(), request("GET"));
      answered += ended.status == 200;
    };
    for (int i = 0; i < 3; ++i) group.spawn("ask", ask());
    base::TaskGroup serving(executor, base::Logger::discard());
    serving.spawn("serve", peer.serve());
    co_await group.join();
    EXPECT_EQ(answered, 3);
    EXPECT_EQ(peer.streams.size(), 3u);
    bool has_expired = false;
    try {
      co_await client.send(peer.server.endpoint(), request("GET"), 100ms);
    } catch (const base::DeadlineExceeded&) {
      has_expired = true;
    }
    EXPECT_TRUE(has_expired);
    const auto ended = co_await outcome_of(client, peer.server.endpoint(), request("GET"));
    EXPECT_EQ(ended.status, 200) << "on a new connection";
    EXPECT_EQ(peer.streams.size(), 4u);
    co_await serving.stop();
  });
}

TEST(HttpClient, AsksAfterAServerThatIsSilent) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    for (const std::string_view begin : {std::string_view(), std::string_view("HTTP/1.1 200 OK\r\nContent-"),
                                         std::string_view("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")}) {
      ScriptedServer server(executor);
      base::Condition asked(executor);
      int questions = 0;
      auto serve = [&]() -> asio::awaitable<void> {
        auto stream = co_await server.accept();
        const std::string got = co_await read_request(*stream, 0);
        co_await stream->write(begin);
        while (questions < 2) co_await asked.wait();
        const std::string_view whole = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef";
        co_await stream->write(whole.substr(begin.size()));
        while (questions < 1000) co_await asked.wait();
      };
      base::TaskGroup group(executor, base::Logger("test"));
      group.spawn("serve", serve());
      HttpClientOptions options;
      options.quiet_limit = 20ms;
      options.still_answers = [&](std::string peer) -> asio::awaitable<void> {
        EXPECT_EQ("http://" + peer, server.endpoint().text());
        ++questions;
        asked.notify_all();
        co_return;
      };
      HttpClient client(executor, options);
      const auto response = co_await client.send(server.endpoint(), request("GET"));
      EXPECT_EQ(response.body, "abcdef");
      EXPECT_GE(questions, 2);
      co_await group.stop();
    }
  });
}

TEST(HttpClient, FailsWithTheReasonWhyASilentServerIsGivenUpAndInItsOwnTime) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    StoppedServer server("127.0.0.1");
    const Endpoint endpoint = Endpoint::parse("http://127.0.0.1:" + std::to_string(server.port()));
    HttpClientOptions options;
    options.quiet_limit = 20ms;
    options.still_answers = [](std::string) -> asio::awaitable<void> {
      throw TransportError("it does not answer", true);
      co_return;
    };
    HttpClient client(executor, options);
    const auto ended = co_await outcome_of(client, endpoint, request("POST"));
    EXPECT_EQ(ended.failure, "it does not answer");
    options.still_answers = [](std::string) { return base::sleep_for(1h); };
    HttpClient patient(executor, options);
    bool has_expired = false;
    try {
      co_await patient.send(endpoint, request("GET"), 200ms);
    } catch (const base::DeadlineExceeded& e) {
      has_expired = true;
      EXPECT_EQ(std::string(e.what()), "GET " + endpoint.text() + "/: no answer within 200ms");
    }
    EXPECT_TRUE(has_expired);
  });
}

TEST(HttpClient, ReadsTheAnswerOfAServerThatRefusesABodyBeforeItsEnd) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    ScriptedServer server(executor);
    auto serve = [&]() -> asio::awaitable<void> {
      auto stream = co_await server.accept();
      const std::string got = co_await read_request(*stream, 0);
      co_await stream->write("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    };
    base::TaskGroup group(executor, base::Logger("test"));
    group.spawn("serve", serve());
    HttpClient client(executor);
    const auto ended = co_await outcome_of(client, server.endpoint(), request("POST", std::string(32u << 20, 'x')));
    EXPECT_EQ(ended.status, 413) << ended.failure;
    co_await group.stop();
  });
}

TEST(HttpClient, SendsNothingOfARequestThatCouldBeTakenForAnother) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    ScriptedServer server(executor);
    std::string got;
    auto serve = [&]() -> asio::awaitable<void> {
      for (;;) {
        auto stream = co_await server.accept();
        const std::string head = co_await read_request(*stream, 0);
        if (head.empty()) continue;
        got = head;
        co_await stream->write(kOk);
      }
    };
    base::TaskGroup group(executor, base::Logger("test"));
    group.spawn("serve", serve());
    HttpClient client(executor);
    HttpRequest split = request("GET");
    split.target = "/a HTTP/1.1\r\nX: y";
    auto ended = co_await outcome_of(client, server.endpoint(), split);
    EXPECT_NE(ended.failure, "");
    EXPECT_FALSE(ended.was_sent);
    EXPECT_EQ(got, "");
    HttpRequest injected = request("GET");
    injected.headers.add("X-Trace", "a\r\nX-Other: b");
    ended = co_await outcome_of(client, server.endpoint(), injected);
    EXPECT_EQ(ended.status, 200) << ended.failure;
    EXPECT_NE(got.find("X-Trace: a  X-Other: b\r\n"), std::string::npos) << got;
    co_await group.stop();
  });
}

TEST(HttpClient, HoldsNothingOfExtensionsWithoutAnEnd) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    for (const std::string& piece : {std::string(4096, 'x'), "1;" + std::string(4000, 'x') + "\r\ny\r\n"}) {
      ScriptedServer server(executor);
      std::size_t sent = 0;
      auto serve = [&]() -> asio::awaitable<void> {
        auto stream = co_await server.accept();
        co_await stream->write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        if (piece.front() == 'x') co_await stream->write("1;");
        for (; sent < 1u << 30; sent += piece.size()) co_await stream->write(piece);
      };
      base::TaskGroup group(executor, base::Logger::discard());
      group.spawn("serve", serve());
      HttpClient client(executor);
      const auto ended = co_await outcome_of(client, server.endpoint(), request("GET"));
      EXPECT_NE(ended.failure.find("malformed answer"), std::string::npos) << ended.failure;
      EXPECT_LT(sent, 64u << 20);
      co_await group.stop();
    }
  });
}

// As an upstream BBS writes them: each event a chunk whose size is followed by ';' (docs/spec/bbs.md §3.3).
asio::awaitable<void> send_upstream_events(ScriptedServer& server) {
  auto stream = co_await server.accept();
  const std::string got = co_await read_request(*stream, 0);
  co_await stream->write(
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
      "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 3; ++i) {
    co_await stream->write("1f;\r\nid: " + std::to_string(i) + "\nevent: ticks\ndata: YWJj\n\n\r\n");
  }
  co_await stream->write("0\r\n\r\n");
}

TEST(SseReader, ReadsTheChunksOfAnUpstreamBbs) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    ScriptedServer server(executor);
    base::TaskGroup group(executor, base::Logger("test"));
    group.spawn("serve", send_upstream_events(server));
    HttpClient client(executor);
    SseReader reader(co_await client.open(server.endpoint(), request("GET")));
    for (int i = 0; i < 3; ++i) {
      const auto event = co_await reader.next();
      EXPECT_TRUE(event.has_value());
      if (event) {
        EXPECT_EQ(event->id + event->name + event->data, std::to_string(i) + "ticksYWJj");
      }
    }
    const auto end = co_await reader.next();
    EXPECT_FALSE(end.has_value());
    co_await group.stop();
  });
}

TEST(SseReader, SaysThatAStreamIsQuietAndReadsOn) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    ScriptedServer server(executor);
    base::Condition go(executor);
    bool may_go = false;
    auto serve = [&]() -> asio::awaitable<void> {
      auto stream = co_await server.accept();
      const std::string got = co_await read_request(*stream, 0);
      co_await stream->write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nf\r\nid: 1\nevent: a\n");
      while (!may_go) co_await go.wait();
      co_await stream->write("\r\n9\r\ndata: x\n\n\r\n0\r\n\r\n");
    };
    base::TaskGroup group(executor, base::Logger("test"));
    group.spawn("serve", serve());
    HttpClient client(executor);
    SseReader reader(co_await client.open(server.endpoint(), request("GET")));
    reader.stream().set_timeout(50ms);
    bool is_quiet = false;
    try {
      co_await reader.next();
    } catch (const ResponseStalled&) {
      is_quiet = true;
    }
    EXPECT_TRUE(is_quiet);
    may_go = true;
    go.notify_all();
    const auto event = co_await reader.next();
    EXPECT_TRUE(event.has_value());
    if (event) {
      EXPECT_EQ(event->id + event->name + event->data, "1ax");
    }
    co_await group.stop();
  });
}

}  // namespace
}  // namespace rivera::net
