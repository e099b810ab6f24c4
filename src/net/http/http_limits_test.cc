// What a hostile client can make a server hold, and for how long.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/files.h"
#include "base/testing/test_run.h"
#include "base/units.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "net/http/http_client.h"
#include "net/http/http_router.h"
#include "net/http/http_server.h"

namespace rivera::net {
namespace {

using namespace std::chrono_literals;

class HttpLimits : public ::testing::Test {
 protected:
  HttpLimits() {
    router_.add_simple(
        "POST", "/echo",
        [](HttpRequest request, const PathParameters&) -> asio::awaitable<HttpResponse> {
          HttpResponse response = text_response(200, request.body);
          co_return response;
        },
        1000);
    router_.add("GET", "/large", [this](HttpExchange& exchange, const PathParameters&) { return send_much(exchange); });
    router_.add("GET", "/hangs", [this](HttpExchange& exchange, const PathParameters&) { return hang(exchange); });
    options_.address = "127.0.0.1:0";
    options_.on_refused = [this](const RefusedRequest& refused) { refused_.push_back(refused); };
  }

  asio::awaitable<void> hang(HttpExchange& exchange) {
    co_await exchange.client_gone();
    hang_ended_ = true;
  }

  asio::awaitable<void> send_much(HttpExchange& exchange) {
    struct AtEnd {
      bool& flag;
      ~AtEnd() { flag = true; }
    } at_end{large_ended_};
    ResponseHead head;
    co_await exchange.begin_response(std::move(head));
    const std::string piece(1 << 20, 'x');
    for (int i = 0; i < 1024; ++i) co_await exchange.write_body(piece);
    co_await exchange.end_response();
  }

  std::unique_ptr<HttpServer> start(asio::any_io_executor executor) {
    auto server = std::make_unique<HttpServer>(executor, options_, router_.handler(), base::Logger::discard());
    server->listen();
    server->start();
    return server;
  }

  static asio::awaitable<std::unique_ptr<Stream>> dial_server(const HttpServer& server) {
    return connect(Endpoint::parse("http://" + server.address()), std::nullopt, 2s);
  }

  static asio::awaitable<std::string> read_all(Stream& stream) {
    std::string got;
    char buffer[4096];
    try {
      for (;;) {
        const std::size_t n = co_await stream.read_some(buffer);
        if (n == 0) break;
        got.append(buffer, n);
      }
    } catch (const boost::system::system_error&) {
      got += "(reset)";
    }
    co_return got;
  }

  // Sends `begin`, then `piece` again and again, with a pause if there is one, until the server has had enough or
  // `most` bytes were taken. Returns how many were.
  static asio::awaitable<std::size_t> pour(Stream& stream, std::string begin, std::string piece,
                                           std::chrono::nanoseconds pause, std::size_t most) {
    std::size_t sent = 0;
    try {
      co_await stream.write(begin);
      while (sent < most) {
        if (pause.count() > 0) co_await base::sleep_for(pause);
        co_await stream.write(piece);
        sent += piece.size();
      }
    } catch (const boost::system::system_error& e) {
      if (base::is_cancellation(e)) throw;
    }
    co_return sent;
  }

  // A client that trickles: the server must end the connection.
  void expect_cut(std::string begin, std::string answer) {
    base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
      auto server = start(executor);
      auto stream = co_await dial_server(*server);
      const auto begun = std::chrono::steady_clock::now();
      base::TaskGroup group(executor, base::Logger::discard());
      auto drip = [&]() -> asio::awaitable<void> { co_await pour(*stream, begin, "x", 10ms, 1u << 20); };
      group.spawn("drip", drip());
      const std::string got = co_await read_all(*stream);
      EXPECT_LT(std::chrono::steady_clock::now() - begun, 10s);
      EXPECT_TRUE(got.starts_with(answer)) << got;
      co_await group.stop();
      co_await server->stop(1s);
    });
  }

  HttpRouter router_;
  HttpServerOptions options_;
  std::vector<RefusedRequest> refused_;
  bool hang_ended_ = false;
  bool large_ended_ = false;
};

TEST_F(HttpLimits, EndsAHeadThatTricklesWithoutAnEnd) {
  options_.limits.head = 200ms;
  expect_cut("GET /echo HTTP/1.1\r\nHost: x\r\nX-Slow: ", "");
}

TEST_F(HttpLimits, EndsABodyThatTricklesWithoutAnEnd) {
  options_.limits.body = 200ms;
  expect_cut("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n", "HTTP/1.1 408 ");
}

TEST_F(HttpLimits, EndsAnExtensionThatTricklesWithoutAnEnd) {
  options_.limits.body = 200ms;
  expect_cut("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;", "HTTP/1.1 408 ");
}

TEST_F(HttpLimits, EndsAConnectionOnWhichNothingIsAsked) {
  options_.limits.idle = 100ms;
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    for (const std::string& before : {std::string(), std::string("POST /echo HTTP/1.1\r\nHost: x\r\n\r\n")}) {
      auto stream = co_await dial_server(*server);
      if (!before.empty()) co_await stream->write(before);
      const auto begun = std::chrono::steady_clock::now();
      co_await read_all(*stream);
      EXPECT_LT(std::chrono::steady_clock::now() - begun, 10s);
    }
    co_await server->stop(1s);
  });
}

TEST_F(HttpLimits, EndsAnAnswerThatIsReadByteByByte) {
  options_.limits.write = 200ms;
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    auto stream = co_await dial_server(*server);
    co_await stream->write("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    const auto begun = std::chrono::steady_clock::now();
    while (!large_ended_ && std::chrono::steady_clock::now() - begun < 10s) {
      char byte = 0;
      co_await stream->read_some({&byte, 1});
      co_await base::sleep_for(10ms);
    }
    EXPECT_TRUE(large_ended_);
    co_await server->stop(1s);
  });
}

TEST_F(HttpLimits, TakesNoMoreRequestsThanItsClientTakesAnswers) {
  options_.limits.write = 200ms;
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    auto stream = co_await dial_server(*server);
    std::string requests;
    while (requests.size() < 64 * base::kKibibyte) requests += "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n";
    const auto begun = std::chrono::steady_clock::now();
    const std::size_t sent = co_await pour(*stream, "", requests, 0ns, std::size_t{1} << 40);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 10s);
    EXPECT_LT(sent, 64u << 20) << "what was not answered is left to the kernel's buffers";
    co_await server->stop(1s);
  });
}

TEST_F(HttpLimits, EndsChunkExtensionsWithoutAnEnd) {
  for (const char* head : {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
                           "GET /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    for (const std::string& piece : {std::string(4096, 'x'), "1;" + std::string(4000, 'x') + "\r\ny\r\n"}) {
      base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto server = start(executor);
        auto stream = co_await dial_server(*server);
        const std::string begin = std::string(head) + (piece[0] == 'x' ? "1;" : "");
        const auto begun = std::chrono::steady_clock::now();
        base::TaskGroup group(executor, base::Logger::discard());
        auto flood = [&]() -> asio::awaitable<void> { co_await pour(*stream, begin, piece, 0ns, 1u << 30); };
        group.spawn("flood", flood());
        co_await read_all(*stream);
        EXPECT_LT(std::chrono::steady_clock::now() - begun, 10s);
        co_await group.stop();
        co_await server->stop(1s);
      });
    }
  }
}

TEST_F(HttpLimits, EndsAWaitingRequestWhoseClientSendsOnWithoutAnEnd) {
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    auto stream = co_await dial_server(*server);
    const std::string request = "GET /hangs HTTP/1.1\r\nHost: x\r\n\r\n";
    const auto begun = std::chrono::steady_clock::now();
    co_await pour(*stream, request, std::string(4096, 'x'), 0ns, std::size_t{1} << 40);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 10s);
    EXPECT_TRUE(hang_ended_);
    co_await server->stop(1s);
  });
}

TEST_F(HttpLimits, ReportsEachRequestThatItRefuses) {
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    for (const char* bad :
         {"nonsense\r\n\r\n", "GET / HTTP/2.0\r\nHost: x\r\n\r\n",
          "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
      auto stream = co_await dial_server(*server);
      co_await stream->write(bad);
      const std::string answer = co_await read_all(*stream);
      EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + std::to_string(refused_.back().status))) << answer;
      EXPECT_EQ(refused_.back().peer, stream->local_address());
    }
    EXPECT_EQ(refused_.size(), 3u);
    EXPECT_EQ(refused_[0].status, 400);
    EXPECT_EQ(refused_[1].status, 505);
    EXPECT_EQ(refused_[2].reason, "contradicting message framing");
    co_await server->stop(1s);
  });
}

TEST_F(HttpLimits, LetsAClientReadThatItsBodyIsTooLarge) {
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    HttpClient client(executor);
    for (int i = 0; i < 5; ++i) {
      HttpRequest request;
      request.method = "POST";
      request.target = "/echo";
      request.body.assign(8u << 20, 'x');
      const auto response = co_await client.send(Endpoint::parse("http://" + server->address()), std::move(request));
      EXPECT_EQ(response.status, 413);
    }
    co_await server->stop(1s);
  });
}

// While it lives, no descriptor can be opened.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const auto lowest = static_cast<rlim_t>(base::UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)).get());
    const rlimit none{lowest, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

bool connects(const base::UniqueFd& client, const std::string& address) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  return ::connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
}

TEST(HttpAccept, SurvivesThatThereAreNoDescriptors) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    const base::TemporaryDirectory directory;
    const auto path = directory.path() / "log";
    const base::UniqueFd log(::open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
    const base::Logger logger("test", base::LogLevel::kInfo, base::LogTimeFormat::kRfc3339, log.get());
    HttpServerOptions options;
    options.address = "127.0.0.1:0";
    auto answer = [](HttpExchange& exchange) { return exchange.respond(text_response(200, "served")); };
    HttpServer server(executor, options, answer, logger);
    server.listen();
    server.start();
    const std::string address = server.address();
    const base::UniqueFd waiting(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    {
      const NoDescriptors none;
      EXPECT_TRUE(connects(waiting, address));  // by the kernel; it cannot be accepted yet
      co_await base::eventually("the failure is logged", [&] {
        struct stat file {};
        return logger.flush() && ::fstat(log.get(), &file) == 0 && file.st_size > 0;
      });
    }
    const std::string text = base::read_file(path);
    EXPECT_NE(text.find("accept-failed"), std::string::npos) << text;
    HttpClient client(executor);
    HttpRequest request;
    request.method = "GET";
    request.target = "/";
    auto sending = client.send(Endpoint::parse("http://" + address), std::move(request));
    const HttpResponse response = co_await std::move(sending);
    EXPECT_EQ(response.body, "served");
    co_await server.stop(0s);
  });
}

constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

asio::awaitable<void> serve_a_word(HttpExchange& exchange) { return exchange.respond(text_response(200, "word")); }

asio::awaitable<std::unique_ptr<Stream>> client_of(const HttpServer& server) {
  auto endpoint = Endpoint::parse("http://" + server.address());
  auto stream = co_await connect(std::move(endpoint), {}, 5s);
  stream->set_timeout(10s);
  co_return stream;
}

// Up to the end of "word" or of the connection.
asio::awaitable<std::string> answer_on(Stream& stream) {
  std::string all;
  char piece[4096];
  try {
    while (all.find("\r\n\r\nword") == std::string::npos) {
      const std::size_t n = co_await stream.read_some(piece);
      if (n == 0) break;
      all.append(piece, n);
    }
  } catch (const boost::system::system_error&) {  // reset: bytes of ours were not read
  }
  co_return all;
}

TEST(HttpCrowd, ClosesTheLongestIdleConnectionForANewOne) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    HttpServerOptions options;
    options.address = "127.0.0.1:0";
    options.max_connections = 2;
    HttpServer server(executor, options, serve_a_word, base::Logger::discard());
    server.listen();
    server.start();
    auto first = co_await client_of(server);
    auto second = co_await client_of(server);
    for (auto* stream : {first.get(), second.get()}) {
      co_await stream->write(kRequest);
      const std::string answer = co_await answer_on(*stream);
      EXPECT_TRUE(answer.ends_with("word")) << answer;
    }
    auto third = co_await client_of(server);
    const std::string end = co_await answer_on(*first);
    EXPECT_EQ(end, "");
    for (auto* stream : {second.get(), third.get()}) {
      co_await stream->write(kRequest);
      const std::string answer = co_await answer_on(*stream);
      EXPECT_TRUE(answer.ends_with("word")) << answer;
    }
    co_await server.stop(0s);
  });
}

TEST(HttpCrowd, BoundsTheMemoryOfUnfinishedHeads) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    HttpServerOptions options;
    options.address = "127.0.0.1:0";
    options.heads_limit = 2u << 20;
    HttpServer server(executor, options, serve_a_word, base::Logger::discard());
    server.listen();
    server.start();
    const std::string half = "GET / HTTP/1.1\r\nHost: a\r\nX-Large: " + std::string(300'000, 'x');
    std::vector<std::unique_ptr<Stream>> clients;
    for (int i = 0; i < 10; ++i) {
      auto stream = co_await client_of(server);
      try {
        co_await stream->write(half);
      } catch (const boost::system::system_error&) {  // refused before the end
      }
      clients.push_back(std::move(stream));
    }
    int served = 0;
    for (const auto& stream : clients) {
      try {
        co_await stream->write("\r\n\r\n");
      } catch (const boost::system::system_error&) {
        continue;
      }
      const std::string answer = co_await answer_on(*stream);
      if (answer.ends_with("word")) ++served;
    }
    EXPECT_GE(served, 1);
    EXPECT_LT(served, 10);
    clients.clear();
    for (const std::size_t size : {10u, 30'000u, 300'000u}) {
      auto stream = co_await client_of(server);
      const std::string request = "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(size, 'x') + "\r\n\r\n";
      co_await stream->write(request);
      const std::string answer = co_await answer_on(*stream);
      EXPECT_TRUE(answer.ends_with("word")) << size << answer;
    }
    co_await server.stop(0s);
  });
}

}  // namespace
}  // namespace rivera::net
