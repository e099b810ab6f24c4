#include "net/http/http_server.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/testing/test_run.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "net/http/http_client.h"
#include "net/http/http_router.h"
#include "net/sse/sse.h"

namespace rivera::net {
namespace {

using base::run;

using namespace std::chrono_literals;

class HttpServerTest : public ::testing::Test {
 protected:
  HttpServerTest() {
    router_.add_simple(
        "POST", "/echo",
        [](HttpRequest request, const PathParameters&) -> asio::awaitable<HttpResponse> {
          HttpResponse response = text_response(200, request.body);
          co_return response;
        },
        1000);
    router_.add_simple("GET", "/things/:name",
                       [](HttpRequest, const PathParameters& parameters) -> asio::awaitable<HttpResponse> {
                         HttpResponse response = text_response(200, parameters.at("name"));
                         co_return response;
                       });
    router_.add_simple("GET", "/throws", [](HttpRequest, const PathParameters&) -> asio::awaitable<HttpResponse> {
      throw std::runtime_error("a secret of ours");
      co_return HttpResponse();
    });
    router_.add("GET", "/events", [](HttpExchange& exchange, const PathParameters&) { return send_events(exchange); });
    router_.add("POST", "/raw", [](HttpExchange& exchange, const PathParameters&) { return echo_raw(exchange); });
    router_.add("GET", "/hangs", [this](HttpExchange& exchange, const PathParameters&) { return hang(exchange); });
  }

  static asio::awaitable<void> send_events(HttpExchange& exchange) {
    ResponseHead head;
    head.headers.add("Content-Type", "text/event-stream");
    co_await exchange.begin_response(std::move(head));
    for (int i = 0; i < 3; ++i) {
      const std::string text = format_event({std::to_string(i), "tick", "data" + std::to_string(i)});
      co_await exchange.write_body(text);
    }
    co_await exchange.end_response();
  }

  static asio::awaitable<void> echo_raw(HttpExchange& exchange) {
    ResponseHead head;
    head.headers.add("Transfer-Encoding", "chunked");
    auto stream = co_await exchange.take_over(std::move(head));
    char buffer[64];
    for (;;) {
      const std::size_t n = co_await stream->read_some(buffer);
      if (n == 0) co_return;
      co_await stream->write(std::string_view(buffer, n));
    }
  }

  asio::awaitable<void> hang(HttpExchange& exchange) {
    co_await exchange.client_gone();
    client_went_ = true;
  }

  std::unique_ptr<HttpServer> start(asio::any_io_executor executor, HttpServerOptions options = {}) {
    if (options.address.empty()) options.address = "127.0.0.1:0";
    auto server =
        std::make_unique<HttpServer>(executor, std::move(options), router_.handler(), base::Logger::discard());
    server->listen();
    server->start();
    return server;
  }

  static Endpoint endpoint_of(const HttpServer& server) {
    const std::string address = server.address();
    return Endpoint::parse(address.starts_with("unix:") ? address : "http://" + address);
  }

  static HttpRequest request(std::string method, std::string target, std::string body = "") {
    HttpRequest out;
    out.method = std::move(method);
    out.target = std::move(target);
    out.body = std::move(body);
    return out;
  }

  // Sends bytes on a plain connection and gives everything that comes back until the server closes.
  static asio::awaitable<std::string> talk(Endpoint endpoint, std::string bytes) {
    auto stream = co_await connect(endpoint, std::nullopt, 2s);
    co_await stream->write(bytes);
    std::string answer;
    char buffer[4096];
    for (;;) {
      const std::size_t n = co_await stream->read_some(buffer);
      if (n == 0) co_return answer;
      answer.append(buffer, n);
    }
  }

  HttpRouter router_;
  bool client_went_ = false;
};

TEST_F(HttpServerTest, AnswersRequestsOnOneKeptAliveConnection) {
  run([this](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    HttpClient client(executor);
    for (int i = 0; i < 3; ++i) {
      auto response = co_await client.send(endpoint_of(*server), request("POST", "/echo", "hello"));
      EXPECT_EQ(response.status, 200);
      EXPECT_EQ(response.body, "hello");
    }
    auto response = co_await client.send(endpoint_of(*server), request("GET", "/things/a%2Fb+c"));
    EXPECT_EQ(response.body, "a/b c");
    co_await server->stop(1s);
  });
}

TEST_F(HttpServerTest, ServesAUnixSocketAndRemovesItAtTheEnd) {
  run([this](asio::any_io_executor executor) -> asio::awaitable<void> {
    base::TemporaryDirectory directory;
    const std::string path = (directory.path() / "sock").string();
    HttpServerOptions options;
    options.address = "unix:" + path;
    auto server = start(executor, std::move(options));
    HttpClient client(executor);
    auto response = co_await client.send(endpoint_of(*server), request("POST", "/echo", "over a socket"));
    EXPECT_EQ(response.body, "over a socket");
    co_await server->stop(1s);
    EXPECT_FALSE(std::filesystem::exists(path));
  });
}

TEST_F(HttpServerTest, RefusesUnknownPathsAndMethods) {
  run([this](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    HttpClient client(executor);
    auto unknown = co_await client.send(endpoint_of(*server), request("GET", "/nowhere"));
    EXPECT_EQ(unknown.status, 404);
    auto wrong = co_await client.send(endpoint_of(*server), request("GET", "/echo"));
    EXPECT_EQ(wrong.status, 405);
    EXPECT_EQ(wrong.headers.get("Allow"), "POST");
    co_await server->stop(1s);
  });
}

TEST_F(HttpServerTest, RefusesABodyAboveTheLimitAnnouncedOrNot) {
  run([this](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    HttpClient client(executor);
    auto announced = co_await client.send(endpoint_of(*server), request("POST", "/echo", std::string(1001, 'x')));
    EXPECT_EQ(announced.status, 413);
    std::string chunked = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    chunked += "7d0\r\n" + std::string(2000, 'y') + "\r\n0\r\n\r\n";
    const std::string answer = co_await talk(endpoint_of(*server), chunked);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 413 ")) << answer;
    co_await server->stop(1s);
  });
}

TEST_F(HttpServerTest, AnswersNonsenseWithBadRequestAndServesTheNextClient) {
  run([this](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    const std::string answer = co_await talk(endpoint_of(*server), "this is not HTTP\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << answer;
    HttpClient client(executor);
    auto response = co_await client.send(endpoint_of(*server), request("POST", "/echo", "still here"));
    EXPECT_EQ(response.body, "still here");
    co_await server->stop(1s);
  });
}

TEST_F(HttpServerTest, DropsAClientThatIsTooSlowWithItsHead) {
  run([this](asio::any_io_executor executor) -> asio::awaitable<void> {
    HttpServerOptions options;
    options.limits.head = 100ms;
    auto server = start(executor, std::move(options));
    const std::string answer = co_await talk(endpoint_of(*server), "POST /echo HTTP/1.1\r\nHost:");
    EXPECT_EQ(answer, "");
    co_await server->stop(1s);
  });
}

TEST_F(HttpServerTest, HidesWhatAHandlerThrew) {
  run([this](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    HttpClient client(executor);
    auto response = co_await client.send(endpoint_of(*server), request("GET", "/throws"));
    EXPECT_EQ(response.status, 500);
    EXPECT_EQ(response.body.find("secret"), std::string::npos);
    co_await server->stop(1s);
  });
}

TEST_F(HttpServerTest, StreamsEventsThatTheReaderTakesOneByOne) {
  run([this](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    HttpClient client(executor);
    SseReader reader(co_await client.open(endpoint_of(*server), request("GET", "/events")));
    for (int i = 0; i < 3; ++i) {
      auto event = co_await reader.next();
      EXPECT_TRUE(event.has_value());
      if (!event) co_return;
      EXPECT_EQ(event->id, std::to_string(i));
      EXPECT_EQ(event->name, "tick");
      EXPECT_EQ(event->data, "data" + std::to_string(i));
    }
    auto end = co_await reader.next();
    EXPECT_FALSE(end.has_value());
    co_await server->stop(1s);
  });
}

TEST_F(HttpServerTest, HandsOverTheConnectionWithWhatWasReadAhead) {
  run([this](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    auto stream = co_await connect(endpoint_of(*server), std::nullopt, 2s);
    co_await stream->write("POST /raw HTTP/1.1\r\nHost: x\r\n\r\nearly");
    std::string got;
    char buffer[256];
    while (!got.ends_with("early")) {
      const std::size_t n = co_await stream->read_some(buffer);
      if (n == 0) break;
      got.append(buffer, n);
    }
    EXPECT_EQ(got, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nearly");
    stream->close();
    co_await server->stop(1s);
  });
}

TEST_F(HttpServerTest, NotifiesAHandlerThatItsClientHasDisconnected) {
  run([this](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    {
      auto stream = co_await connect(endpoint_of(*server), std::nullopt, 2s);
      co_await stream->write("GET /hangs HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    while (!client_went_) co_await base::sleep_for(1ms);
    co_await server->stop(1s);
  });
}

TEST_F(HttpServerTest, AbortsWhatRunsLongerThanTheGracePeriodOfAStop) {
  run([this](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    auto stream = co_await connect(endpoint_of(*server), std::nullopt, 2s);
    co_await stream->write("GET /hangs HTTP/1.1\r\nHost: x\r\n\r\n");
    const auto begin = std::chrono::steady_clock::now();
    co_await server->stop(50ms);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);
    char buffer[16];
    std::size_t n = 0;
    try {
      n = co_await stream->read_some(buffer);
    } catch (const boost::system::system_error&) {
      n = 0;  // a reset is an end, too
    }
    EXPECT_EQ(n, 0u);
  });
}

TEST_F(HttpServerTest, SaysWhyItCannotListen) {
  run([this](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    HttpServerOptions options;
    options.address = server->address();
    HttpServer second(executor, options, router_.handler(), base::Logger::discard());
    try {
      second.listen();
      ADD_FAILURE() << "listened twice on " << server->address();
    } catch (const std::runtime_error& e) {
      EXPECT_NE(std::string(e.what()).find("cannot listen on " + server->address()), std::string::npos) << e.what();
    }
    co_await server->stop(1s);
  });
}

TEST_F(HttpServerTest, ReportsARefusedConnectionAsNotSent) {
  run([this](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    const Endpoint endpoint = endpoint_of(*server);
    co_await server->stop(1s);
    HttpClient client(executor);
    bool refused = false;
    try {
      co_await client.send(endpoint, request("GET", "/"));
    } catch (const TransportError& e) {
      refused = true;
      EXPECT_FALSE(e.sent);
    }
    EXPECT_TRUE(refused);
  });
}

TEST_F(HttpServerTest, StreamsARequestBodyFromItsSource) {
  run([this](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor);
    HttpClient client(executor);
    int left = 3;
    BodySource source = [&left]() -> asio::awaitable<std::string> {
      std::string piece = left-- > 0 ? "part" : "";
      co_return piece;
    };
    const RequestHead head = static_cast<RequestHead&&>(request("POST", "/echo"));
    auto incoming = co_await client.open(endpoint_of(*server), head, source);
    char buffer[64];
    std::string body;
    for (;;) {
      const std::size_t n = co_await incoming->read_some(buffer);
      if (n == 0) break;
      body.append(buffer, n);
    }
    EXPECT_EQ(body, "partpartpart");
    co_await server->stop(1s);
  });
}

}  // namespace
}  // namespace rivera::net
