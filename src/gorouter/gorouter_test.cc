// Requests through a whole router.
#include "gorouter/gorouter.h"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/bytes.h"
#include "base/units.h"
#include "base/work/wait.h"
#include "gorouter/testing/gorouter_harness.h"
#include "gorouter/testing/raw_backend.h"

namespace rivera::gorouter {
namespace {

using namespace std::chrono_literals;

bool contains_text(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST_F(GorouterHarness, RespondsWithNotFoundToAnUnknownHost) {
  with_router([&]() -> asio::awaitable<void> {
    const std::string answer =
        co_await exchange_bytes("GET /x HTTP/1.1\r\nHost: nope.example.com\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 404 Not Found\r\n")) << answer;
    EXPECT_TRUE(contains_text(answer, "X-Cf-Routererror: unknown_route\r\n"));
    EXPECT_TRUE(contains_text(answer, "Cache-Control: no-cache, no-store\r\n"));
    EXPECT_TRUE(contains_text(answer, "X-Content-Type-Options: nosniff\r\n"));
    EXPECT_TRUE(contains_text(answer, "Content-Length: 68\r\n"));
    EXPECT_TRUE(answer.ends_with("\r\n\r\n404 Not Found: Requested route ('nope.example.com') does not exist.\n"));
  });
}

TEST_F(GorouterHarness, BalancesRequestsOverRegisteredEndpoints) {
  with_router([&]() -> asio::awaitable<void> {
    TestApp a(executor_, "a"), b(executor_, "b");
    co_await register_app(a, "app.example.com");
    co_await register_app(b, "app.example.com");
    std::map<std::string, int> seen;
    for (int i = 0; i < 10; ++i) {
      auto response = co_await get("app.example.com");
      EXPECT_EQ(response.status, 200);
      ++seen[response.body.substr(0, 1)];
    }
    EXPECT_EQ(seen, (std::map<std::string, int>{{"a", 5}, {"b", 5}}));
    co_await unregister_app(a, "app.example.com");
    for (int i = 0; i < 3; ++i) {
      auto response = co_await get("app.example.com");
      EXPECT_EQ(response.body.substr(0, 1), "b");
    }
    co_await unregister_app(b, "app.example.com");
    auto response = co_await get("app.example.com");
    EXPECT_EQ(response.status, 404);
  });
}

TEST_F(GorouterHarness, SetsForwardingHeadersForTheBackend) {
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a");
    co_await register_app(app, "app.example.com");
    net::Headers headers{{"X-Forwarded-For", "1.2.3.4"},
                         {"x-custom", "v"},
                         {"X-Vcap-Request-Id", "forged"},
                         {"X-CF-ApplicationId", "forged"},
                         {"Connection", "keep-alive, X-Hop"},
                         {"X-Hop", "gone"},
                         {"Te", "gzip"},
                         {"X-Request-Start", "123"}};
    auto response = co_await get_with("app.example.com", "/a%2Fb;c?x=1&", headers);
    EXPECT_TRUE(contains_text(response.body, "GET /a%2Fb;c?x=1&\n")) << response.body;
    EXPECT_TRUE(contains_text(response.body, "Host: app.example.com\n"));
    EXPECT_TRUE(contains_text(response.body, "X-Forwarded-For: 1.2.3.4, 127.0.0.1\n"));
    EXPECT_TRUE(contains_text(response.body, "X-Forwarded-Proto: http\n"));
    EXPECT_TRUE(contains_text(response.body, "X-Custom: v\n"));
    EXPECT_TRUE(contains_text(response.body, "X-Cf-Applicationid: app-guid\n"));
    EXPECT_TRUE(contains_text(response.body, "X-Cf-Instanceindex: 0\n"));
    EXPECT_TRUE(contains_text(response.body, "X-Request-Start: 123\n"));
    EXPECT_FALSE(contains_text(response.body, "forged"));
    EXPECT_FALSE(contains_text(response.body, "X-Hop"));
    EXPECT_FALSE(contains_text(response.body, "Te:"));
    EXPECT_EQ(response.headers.get("X-Vcap-Request-Id").size(), 36u);
    EXPECT_TRUE(
        contains_text(response.body, "X-Vcap-Request-Id: " + std::string(response.headers.get("X-Vcap-Request-Id"))));
  });
}

TEST_F(GorouterHarness, PassesBodiesOfAnySizeBothWays) {
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a");
    co_await register_app(app, "app");
    for (const std::size_t size : {0u, 1u, 5000u, 70'000u, 5'000'000u}) {
      std::string body(size, 'x');
      for (std::size_t i = 0; i < size; i += 101) body[i] = static_cast<char>('a' + i % 26);
      auto endpoint =
          net::Endpoint::parse("http://127.0.0.1" + router_->http_address().substr(router_->http_address().rfind(':')));
      net::HttpRequest request;
      request.method = "POST";
      request.target = "/echo";
      request.headers.set("Host", "app");
      request.body = body;
      auto response = co_await client_->send(endpoint, request);
      EXPECT_TRUE(response.body == body) << size;
      net::RequestHead head;
      head.method = "POST";
      head.target = "/echo";
      head.headers.set("Host", "app");
      std::size_t at = 0;
      auto pieces = [&body, &at]() -> asio::awaitable<std::string> {
        std::string piece = body.substr(std::min(at, body.size()), 30'000);
        at += piece.size();
        co_return piece;
      };
      auto incoming = co_await client_->open(endpoint, head, pieces);
      std::string echoed;
      char buffer[10'000];
      for (;;) {
        const std::size_t n = co_await incoming->read_some(buffer);
        if (n == 0) break;
        echoed.append(buffer, n);
      }
      EXPECT_TRUE(echoed == body) << "chunked, " << size;
    }
  });
}

TEST_F(GorouterHarness, KeepsConnectionsToClientsAndBackends) {
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a", [](net::HttpExchange& exchange) {
      return exchange.respond(net::text_response(200, exchange.stream().peer_address()));
    });
    const auto with_time = [](routing::RegistryMessage& m) { m.endpoint_updated_at_ns = 7; };
    co_await register_app(app, "app", with_time);
    auto first = co_await get("app");
    co_await register_app(app, "app");
    auto second = co_await get("app");
    EXPECT_EQ(first.body, second.body) << "the heartbeat replaced the endpoint, not its connections";
    EXPECT_EQ(router_->plane().probe.client_connections, 1u);
    co_await unregister_app(app, "app");
    co_await register_app(app, "app");
    auto third = co_await get("app");
    EXPECT_NE(third.body, second.body);
  });
}

TEST_F(GorouterHarness, ServesPipelinedRequestsInOrder) {
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a");
    co_await register_app(app, "app");
    const std::string answer = co_await exchange_bytes(
        "GET /one HTTP/1.1\r\nHost: app\r\n\r\nPOST /echo HTTP/1.1\r\nHost: app\r\nContent-Length: 3\r\n\r\ntwo"
        "POST /echo HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nthree\r\n0\r\n\r\n"
        "GET /four HTTP/1.1\r\nHost: none\r\n\r\nGET /five HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n");
    std::size_t at = 0;
    for (const char* part : {"GET /one", "two", "three", "404 Not Found", "GET /five"}) {
      at = answer.find(part, at);
      EXPECT_NE(at, std::string::npos) << part << " in " << answer;
      if (at == std::string::npos) break;
    }
  });
}

TEST_F(GorouterHarness, RefusesMalformedRequestsAndKeepsServing) {
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a");
    co_await register_app(app, "app");
    for (const char* bad :
         {"nonsense\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: app\r\nHost: app\r\n\r\n",
          "POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          "POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: gzip\r\n\r\n",
          "POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
      const std::string answer = co_await exchange_bytes(bad);
      EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << bad << " -> " << answer;
      EXPECT_TRUE(contains_text(answer, "Connection: close\r\n")) << bad;
    }
    const std::string version = co_await exchange_bytes("GET / HTTP/2.0\r\nHost: app\r\n\r\n");
    EXPECT_EQ(version, "HTTP/1.0 400 Bad Request\r\n\r\n");
    const std::string huge =
        co_await exchange_bytes("GET / HTTP/1.1\r\nHost: app\r\nX: " + std::string(1'200'000, 'x') + "\r\n\r\n");
    EXPECT_TRUE(huge.starts_with("HTTP/1.1 431 ")) << huge.substr(0, 100);
    auto half = co_await connect();
    co_await half->write("GET / HTTP/1.1\r\nHo");
    half.reset();
    auto response = co_await get("app");
    EXPECT_EQ(response.status, 200);
  });
}

TEST_F(GorouterHarness, AnswersWhatNeedsNoBackend) {
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a");
    const auto named = [](routing::RegistryMessage& m) {
      m.app = "01234567-89ab-cdef-0123-456789abcdef";
      m.tags["process_id"] = "11234567-89ab-cdef-0123-456789abcdef";
    };
    co_await register_app(app, "app", named);
    auto empty = co_await exchange_bytes("GET / HTTP/1.0\r\n\r\n");
    EXPECT_TRUE(contains_text(empty, "400 Bad Request: Request had empty Host header\n")) << empty;
    auto own = co_await get("127.0.0.1:80");
    EXPECT_EQ(own.status, 400);
    EXPECT_EQ(own.headers.get("X-Cf-RouterError"), "empty_host");
    auto health =
        co_await exchange_bytes("GET / HTTP/1.1\r\nHost:\r\nUser-Agent: HTTP-Monitor/1.1\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(health.ends_with("\r\n\r\nok\n")) << health;
    const auto ask = [&](std::string name, std::string value) {
      net::Headers headers;
      headers.add(std::move(name), std::move(value));
      return get_with("app", "/", std::move(headers));
    };
    auto r = co_await ask("x-cf-app-instance", "01234567-89ab-cdef-0123-456789abcdef:0");
    EXPECT_EQ(r.status, 200);
    EXPECT_FALSE(contains_text(r.body, "App-Instance"));
    r = co_await ask("X-Cf-App-Instance", "01234567-89ab-cdef-0123-456789abcdef:7");
    EXPECT_EQ(r.status, 400);
    EXPECT_EQ(r.body,
              "400 Bad Request: Requested instance ('7') with guid ('01234567-89ab-cdef-0123-456789abcdef') does not "
              "exist for route ('app')\n");
    r = co_await ask("X-Cf-App-Instance", "nonsense");
    EXPECT_EQ(r.headers.get("X-Cf-RouterError"), "invalid_cf_app_instance_header");
    r = co_await ask("X-Cf-Process-Instance", "11234567-89ab-cdef-0123-456789abcdef");
    EXPECT_EQ(r.status, 200);
    r = co_await ask("X-Cf-Process-Instance", "21234567-89ab-cdef-0123-456789abcdef");
    EXPECT_EQ(r.status, 400);
  });
}

TEST_F(GorouterHarness, LimitsTheSizeOfRequests) {
  config_.max_request_header_bytes = 1024;
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a");
    co_await register_app(app, "app");
    const std::string answer =
        co_await exchange_bytes("GET /" + std::string(2048, 'x') + " HTTP/1.1\r\nHost: app\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 431 ")) << answer;
    EXPECT_TRUE(contains_text(answer, "X-Cf-Routererror: max-request-size-exceeded\r\n"));
    EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
    EXPECT_EQ(app.requests(), 0);
  });
}

TEST_F(GorouterHarness, TriesAnotherEndpointWhenOneDoesNotAnswer) {
  with_router([&]() -> asio::awaitable<void> {
    TestApp alive(executor_, "alive");
    co_await register_app(alive, "app");
    {
      TestApp dead(executor_, "dead");
      co_await register_app(dead, "app");
      co_await dead.stop();
    }
    for (int i = 0; i < 6; ++i) {
      auto response = co_await get("app");
      EXPECT_EQ(response.status, 200);
    }
    co_await unregister_app(alive, "app");
    auto failed = co_await get("app");
    EXPECT_EQ(failed.status, 502);
    EXPECT_EQ(failed.body, "502 Bad Gateway: Registered endpoint failed to handle the request.\n");
    EXPECT_TRUE(contains_text(std::string(failed.headers.get("X-Cf-RouterError")), "connect: connection refused)"));
  });
}

TEST_F(GorouterHarness, ClosesTheClientConnectionWhenAResponseIsIncomplete) {
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a", [](net::HttpExchange& exchange) -> asio::awaitable<void> {
      net::ResponseHead head;
      head.headers.set("Content-Length", "100");
      auto stream = co_await exchange.take_over(std::move(head));
      co_await stream->write("only this");
    });
    co_await register_app(app, "app");
    const std::string answer = co_await exchange_bytes("GET / HTTP/1.1\r\nHost: app\r\n\r\n");
    EXPECT_TRUE(contains_text(answer, "Content-Length: 100\r\n"));
    EXPECT_TRUE(answer.ends_with("\r\n\r\nonly this")) << answer;
  });
}

TEST_F(GorouterHarness, StreamsAnswersAsTheyCome) {
  with_router([&]() -> asio::awaitable<void> {
    bool may_finish = false;
    TestApp app(executor_, "a", [&](net::HttpExchange& exchange) -> asio::awaitable<void> {
      net::ResponseHead head;
      co_await exchange.begin_response(std::move(head));
      co_await exchange.write_body("first");
      while (!may_finish) co_await base::sleep_for(1ms);
      co_await exchange.write_body("second");
      co_await exchange.end_response();
    });
    co_await register_app(app, "app");
    auto stream = co_await connect();
    co_await stream->write("GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n");
    const std::string begun = co_await read_until(*stream, "first");
    EXPECT_TRUE(contains_text(begun, "Transfer-Encoding: chunked\r\n"));
    may_finish = true;
    const std::string rest = co_await read_to_end(*stream);
    EXPECT_TRUE(contains_text(rest, "6\r\nsecond\r\n0\r\n\r\n")) << rest;
    auto old = co_await exchange_bytes("GET / HTTP/1.0\r\nHost: app\r\n\r\n");
    EXPECT_TRUE(old.ends_with("\r\n\r\nfirstsecond")) << old;
  });
}

TEST_F(GorouterHarness, IgnoresChunkExtensionsOfABackendAndHoldsNoneOfThem) {
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a", [&](net::HttpExchange& exchange) -> asio::awaitable<void> {
      const bool is_endless = exchange.request().path() == "/endless";
      net::ResponseHead head;
      head.headers.set("Transfer-Encoding", "chunked");
      auto stream = co_await exchange.take_over(std::move(head));
      co_await stream->write("5;\r\nfirst\r\n6;name=\"a value\"\r\nsecond\r\n");
      const std::string extension(64 * base::kKibibyte, 'x');
      if (is_endless) {
        co_await stream->write("1;");
        for (;;) co_await stream->write(extension);  // until the router closes the connection
      }
      co_await stream->write("0;last\r\n\r\n");
    });
    co_await register_app(app, "app");
    const auto response = co_await get("app");
    EXPECT_EQ(response.body, "firstsecond");
    std::string failure;
    try {
      co_await get("app", "/endless");
    } catch (const net::TransportError& e) {
      failure = e.what();
    }
    EXPECT_NE(failure, "") << "the client must not take what it has for the whole";
  });
}

TEST_F(GorouterHarness, EndsARequestAtTheEndpointTimeout) {
  config_.endpoint_timeout = 200ms;
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a", [](net::HttpExchange& exchange) { return exchange.client_gone(); });
    co_await register_app(app, "app");
    auto response = co_await get("app");
    EXPECT_EQ(response.status, 502);
    EXPECT_EQ(response.headers.get("X-Cf-RouterError"), "endpoint_failure (context deadline exceeded)");
  });
}

// docs/spec/routing.md §3.13: websockets alone have no limit.
TEST_F(GorouterHarness, EndsARequestForAnotherProtocolAtTheEndpointTimeout) {
  config_.endpoint_timeout = 200ms;
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a", [](net::HttpExchange& exchange) { return exchange.client_gone(); });
    co_await register_app(app, "app");
    const std::string answer =
        co_await exchange_bytes("GET / HTTP/1.1\r\nHost: app\r\nConnection: close, Upgrade\r\nUpgrade: other\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n")) << answer;
  });
}

TEST_F(GorouterHarness, ClosesTheBackendConnectionWhenTheClientDisconnects) {
  with_router([&]() -> asio::awaitable<void> {
    bool asked = false, gone = false;
    TestApp app(executor_, "a", [&](net::HttpExchange& exchange) -> asio::awaitable<void> {
      asked = true;
      co_await exchange.client_gone();
      gone = true;
    });
    co_await register_app(app, "app");
    auto stream = co_await connect();
    co_await stream->write("GET / HTTP/1.1\r\nHost: app\r\n\r\n");
    co_await until([&] { return asked; });
    stream.reset();
    co_await until([&] { return gone; });
    EXPECT_NE(router_->plane().registry.lookup("app", "/"), nullptr);
  });
}

TEST_F(GorouterHarness, PassesUpgradedConnectionsOn) {
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a", [](net::HttpExchange& exchange) -> asio::awaitable<void> {
      net::ResponseHead head;
      head.status = 101;
      head.headers.set("Upgrade", "websocket");
      head.headers.set("Connection", "Upgrade");
      auto stream = co_await exchange.take_over(std::move(head));
      char piece[1000];
      for (;;) {
        const std::size_t n = co_await stream->read_some(piece);
        if (n == 0) break;
        co_await stream->write(std::string_view(piece, n));
      }
    });
    co_await register_app(app, "app");
    auto stream = co_await connect();
    co_await stream->write(
        "GET / HTTP/1.1\r\nHost: app\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\nearly");
    std::string seen = co_await read_until(*stream, "early");
    EXPECT_TRUE(seen.starts_with("HTTP/1.1 101 Switching Protocols\r\n")) << seen;
    EXPECT_TRUE(contains_text(seen, "Upgrade: websocket\r\n"));
    co_await stream->write("later");
    seen = co_await read_until(*stream, "later");
    EXPECT_EQ(router_->plane().probe.websocket_upgrades, 1u);
    stream.reset();
    co_await until([&] { return router_->plane().probe.client_connections == 0; });
  });
}

// The rest of the body and the bytes of the new protocol would be read by two coroutines at a time.
TEST_F(GorouterHarness, RefusesToSwitchProtocolsInTheMiddleOfARequest) {
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a", [](net::HttpExchange& exchange) -> asio::awaitable<void> {
      net::ResponseHead head;
      head.status = 101;
      head.headers.set("Upgrade", "websocket");
      head.headers.set("Connection", "Upgrade");
      auto stream = co_await exchange.take_over(std::move(head));
      co_await stream->write("switched");
    });
    co_await register_app(app, "app");
    const std::string answer = co_await exchange_bytes(
        "POST / HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 100\r\n\r\npart");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n")) << answer;
    EXPECT_FALSE(contains_text(answer, "switched")) << answer;
    EXPECT_EQ(router_->plane().probe.websocket_upgrades, 0u);
  });
}

TEST_F(GorouterHarness, TimesTheConnectionThatReplacesAClosedIdleOne) {
  config_.endpoint_timeout = 300ms;
  with_router([&]() -> asio::awaitable<void> {
    RawBackend backend(executor_);
    routing::RegistryMessage message;
    message.host = "127.0.0.1";
    message.port = backend.port();
    message.uris.push_back("app");
    std::string payload = to_json(message);
    co_await publish("router.register", std::move(payload));
    auto client = co_await connect();
    const std::string request = "GET / HTTP/1.1\r\nHost: app\r\n\r\n";
    co_await client->write(request);
    auto idle = co_await backend.accept();
    co_await read_until(*idle, "\r\n\r\n");
    co_await idle->write("HTTP/1.1 204 No Content\r\n\r\n");
    co_await read_until(*client, "\r\n\r\n");
    co_await client->write(request);
    co_await read_until(*idle, "\r\n\r\n");
    idle->close();
    auto replacement = co_await backend.accept();
    co_await read_until(*replacement, "\r\n\r\n");
    const std::string answer = co_await read_until(*client, "\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n")) << answer;
    EXPECT_TRUE(contains_text(answer, "endpoint_failure (context deadline exceeded)")) << answer;
  });
}

TEST_F(GorouterHarness, AsksTheBackendBeforeAClientSendsItsBody) {
  with_router([&]() -> asio::awaitable<void> {
    TestApp willing(executor_, "a");
    TestApp refusing(executor_, "b",
                     [](net::HttpExchange& exchange) { return exchange.respond(net::text_response(417, "no")); });
    co_await register_app(willing, "willing");
    co_await register_app(refusing, "refusing");
    auto stream = co_await connect();
    co_await stream->write(
        "POST /echo HTTP/1.1\r\nHost: willing\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: "
        "close\r\n\r\n");
    const std::string permission = co_await read_until(*stream, "\r\n\r\n");
    EXPECT_EQ(permission, "HTTP/1.1 100 Continue\r\n\r\n");
    co_await stream->write("body");
    const std::string answer = co_await read_to_end(*stream);
    EXPECT_TRUE(answer.ends_with("\r\n\r\nbody")) << answer;
    const std::string refused = co_await exchange_bytes(
        "POST /echo HTTP/1.1\r\nHost: refusing\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    EXPECT_TRUE(refused.starts_with("HTTP/1.1 417 ")) << refused;
    EXPECT_TRUE(contains_text(refused, "Connection: close\r\n"));
  });
}

TEST_F(GorouterHarness, KeepsASessionWithItsInstance) {
  with_router([&]() -> asio::awaitable<void> {
    const auto with_session = [](net::HttpExchange& exchange) {
      auto response = net::text_response(200, exchange.stream().local_address());
      response.headers.add("Set-Cookie", "JSESSIONID=abc; Path=/; Secure");
      return exchange.respond(std::move(response));
    };
    TestApp a(executor_, "a", with_session), b(executor_, "b", with_session), c(executor_, "c", with_session);
    for (const TestApp* app : {&a, &b, &c}) co_await register_app(*app, "app/Some/Path");
    auto first = co_await get("app", "/some/path");
    const auto cookies = first.headers.all("Set-Cookie");
    EXPECT_EQ(cookies.size(), 2u);
    const std::string sticky(cookies.back());
    EXPECT_TRUE(contains_text(sticky, "; Path=/Some/Path; HttpOnly; Secure")) << sticky;
    const std::string cookie = sticky.substr(0, sticky.find(';')) + "; JSESSIONID=abc";
    for (int i = 0; i < 6; ++i) {
      net::Headers headers{{"Cookie", cookie}};
      auto again = co_await get_with("app", "/some/path", headers);
      EXPECT_EQ(again.body, first.body);
    }
  });
}

TEST_F(GorouterHarness, VerifiesInstancesByTheirCertificates) {
  net::TestCertificates certificates;
  const net::CertificateRequest named{.common_name = "instance-1", .dns_names = {"instance-1"}, .addresses = {}};
  const net::TlsFiles files = certificates.issue(named);
  config_.backend_ca_pem = base::read_file(certificates.ca_file());
  config_.backend_identity = {base::read_file(certificates.client().certificate_file),
                              base::read_file(certificates.client().key_file)};
  with_router([&]() -> asio::awaitable<void> {
    TestApp right(executor_, "right", {}, net::TlsContext::mutual_server(files));
    TestApp wrong(executor_, "wrong", {}, net::TlsContext::mutual_server(files));
    TestApp plain(executor_, "plain");
    const auto as = [&](const char* san) {
      return [san](routing::RegistryMessage& m) {
        m.tls_port = m.port;
        m.server_cert_domain_san = san;
      };
    };
    const auto first = as("instance-1"), second = as("instance-2");
    co_await register_app(right, "right", first);
    co_await register_app(wrong, "wrong", second);
    co_await register_app(plain, "plain", first);
    auto response = co_await get("right");
    EXPECT_EQ(response.status, 200);
    EXPECT_TRUE(response.body.starts_with("right\n"));
    response = co_await get("wrong");
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(response.body, "503 Service Unavailable\n");
    response = co_await get("wrong");
    EXPECT_EQ(response.status, 404) << "an instance with another identity is removed";
    response = co_await get("plain");
    EXPECT_EQ(response.status, 525);
    EXPECT_EQ(wrong.requests() + plain.requests(), 0);
  });
}

TEST_F(GorouterHarness, ServesTlsWithTheCertificateOfTheNameAskedFor) {
  net::TestCertificates certificates;
  const auto identity = [&](std::vector<std::string> names) {
    const net::CertificateRequest request{.common_name = names.front(), .dns_names = names, .addresses = {}};
    const net::TlsFiles files = certificates.issue(request);
    return net::PemIdentity{base::read_file(files.certificate_file), base::read_file(files.key_file)};
  };
  config_.enable_ssl = true;
  config_.ssl_port = 0;
  config_.tls.identities = {identity({"first.example.com"}), identity({"*.wild.example.com"}),
                            identity({"exact.wild.example.com"})};
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a");
    for (const char* name : {"first.example.com", "a.wild.example.com", "exact.wild.example.com"}) {
      co_await register_app(app, name);
      auto endpoint = net::Endpoint::parse("https://127.0.0.1" +
                                           router_->https_address().substr(router_->https_address().rfind(':')));
      endpoint.server_name = name;
      net::TlsFiles trust;
      trust.ca_file = certificates.ca_file();
      auto stream = co_await net::connect(endpoint, net::TlsContext::client(trust), 10s);
      const std::string request = fmt::format("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", name);
      co_await stream->write(request);
      const std::string answer = co_await read_to_end(*stream);
      EXPECT_TRUE(contains_text(answer, "X-Forwarded-Proto: https\n")) << answer;
    }
  });
}

}  // namespace
}  // namespace rivera::gorouter
