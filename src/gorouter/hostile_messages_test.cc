// Messages whose parts would be read as something else further on: in a backend, a client or a log.
#include <fmt/format.h>

#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "gorouter/replies/access_log.h"
#include "gorouter/testing/gorouter_harness.h"
#include "gorouter/testing/raw_backend.h"

namespace rivera::gorouter {
namespace {

using namespace std::chrono_literals;

bool holds(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::string registration_of(std::uint16_t port, std::string app = "app-guid") {
  routing::RegistryMessage message;
  message.host = "127.0.0.1";
  message.port = port;
  message.uris.push_back("app");
  message.app = std::move(app);
  return to_json(message);
}

TEST_F(GorouterHarness, RefusesHostsThatAreNoHost) {
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a");
    co_await register_app(app, "app");
    for (const char* head : {"GET //a HTTP/1.1\r\nHost: app:80/admin?x= HTTP/1.1 y\r\n",
                             "GET / HTTP/1.1\r\nHost: app:1 - [2026] \"GET /admin HTTP/1.1\" 200 1 2\r\n",
                             "GET http://app:1:2/ HTTP/1.1\r\nHost: app\r\n", "GET / HTTP/1.1\r\nHost: app:x\r\n"}) {
      const std::string answer = co_await exchange_bytes(std::string(head) + "Connection: close\r\n\r\n");
      EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << head << answer;
    }
    EXPECT_EQ(app.requests(), 0);
    const std::string answer = co_await exchange_bytes("GET //a HTTP/1.1\r\nHost: app:80\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(holds(answer, "GET http://app:80//a\n")) << answer;
  });
}

TEST(AccessLog, EscapesEveryFieldOfForeignOrigin) {
  const std::string evil = "a b\"\\\r\n\t\x1b\xff\xc2\x9b\xe2\x80\xa8\xc3\xa4";
  const std::string escaped = R"(a b\"\\\r\n\t\x1b\xff\u009b\u2028)"
                              "\xc3\xa4";
  routing::Endpoint endpoint;
  endpoint.address = endpoint.app = endpoint.instance_id = endpoint.instance_index = evil;
  AccessRecord record;
  record.host = record.method = record.target = record.protocol = record.referer = record.user_agent = evil;
  record.peer = record.forwarded_for = record.forwarded_proto = record.request_id = record.router_error = evil;
  record.extra_headers.emplace_back("x", evil);
  record.endpoint = std::make_shared<const routing::Endpoint>(endpoint);
  const std::string line = format_access_record(record, Config());
  EXPECT_TRUE(line.starts_with(R"(a\x20b\"\\\r\n\t\x1b\xff\u009b\u2028)"
                               "\xc3\xa4 - ["))
      << line;
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_EQ(line.find_first_of("\r\t\x1b\xff"), std::string::npos);
  int fields = 0;
  for (auto at = line.find(escaped); at != std::string::npos; at = line.find(escaped, at + 1)) ++fields;
  EXPECT_EQ(fields, 15) << line;
}

TEST_F(GorouterHarness, RefusesRegistrationsThatWouldInjectHeaders) {
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a");
    std::string evil = registration_of(app.port(), "guid\r\nX-Injected: yes");
    co_await publish("router.register", std::move(evil));
    auto refused = co_await get("app");
    EXPECT_EQ(refused.status, 404);
    std::string good = registration_of(app.port());
    co_await publish("router.register", std::move(good));
    auto served = co_await get("app");
    EXPECT_EQ(served.status, 200);
  });
}

constexpr std::string_view kBadTrailers =
    "X-Forwarded-Client-Cert: c\r\nX-Cf-Applicationid: c\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"
    "Host: other\r\nSet-Cookie: a=b\r\nConnection: x\r\nAuthorization: c\r\nX-Vcap-Request-Id: c\r\nIf-Match: c\r\n";

TEST_F(GorouterHarness, PassesOnNoTrailersThatBelongInAHead) {
  with_router([&]() -> asio::awaitable<void> {
    RawBackend backend(executor_);
    std::string registration = registration_of(backend.port());
    co_await publish("router.register", std::move(registration));
    auto client = co_await connect();
    const std::string request = fmt::format(
        "POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum, Host\r\nTrailer: X-Other\r\n\r\n"
        "1\r\na\r\n0\r\nx-sum: 1\r\n{}x-undeclared: 2\r\n\r\n",
        kBadTrailers);
    co_await client->write(request);
    auto far = co_await backend.accept();
    const std::string got = co_await read_until(*far, "X-Undeclared: 2\r\n\r\n");
    EXPECT_TRUE(got.ends_with("\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\nX-Undeclared: 2\r\n\r\n")) << got;
    EXPECT_TRUE(holds(got, "Trailer: X-Sum, X-Other\r\n")) << got;
    const std::string response = fmt::format(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Grpc-Status, Set-Cookie\r\n\r\n"
        "1\r\nb\r\n0\r\nGrpc-Status: 0\r\n{}X-End: 1\r\n\r\n",
        kBadTrailers);
    co_await far->write(response);
    const std::string answer = co_await read_until(*client, "X-End: 1\r\n\r\n");
    EXPECT_TRUE(answer.ends_with("\r\n\r\n1\r\nb\r\n0\r\nGrpc-Status: 0\r\nX-End: 1\r\n\r\n")) << answer;
    EXPECT_TRUE(holds(answer, "Trailer: Grpc-Status\r\n")) << answer;
  });
}

TEST_F(GorouterHarness, PassesOnNoFramingInInformationalResponses) {
  with_router([&]() -> asio::awaitable<void> {
    RawBackend backend(executor_);
    std::string registration = registration_of(backend.port());
    co_await publish("router.register", std::move(registration));
    auto client = co_await connect();
    co_await client->write("GET / HTTP/1.1\r\nHost: app\r\n\r\n");
    auto far = co_await backend.accept();
    co_await far->write(
        "HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\nConnection: X-Hop\r\nX-Hop: "
        "1\r\n"
        "Link: </a>\r\n\r\n");
    const std::string hints = co_await read_until(*client, "\r\n\r\n");
    EXPECT_EQ(hints, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
  });
}

TEST_F(GorouterHarness, EndsABackendThatOnlySendsInformationalResponses) {
  with_router([&]() -> asio::awaitable<void> {
    RawBackend backend(executor_);
    std::string registration = registration_of(backend.port());
    co_await publish("router.register", std::move(registration));
    auto client = co_await connect();
    co_await client->write("GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n");
    auto far = co_await backend.accept();
    std::string many;
    for (int i = 0; i < 3000; ++i) many += "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    base::TaskGroup group(executor_, base::Logger::discard());
    group.spawn("write", [](net::Stream& stream, std::string bytes) -> asio::awaitable<void> {
      try {
        co_await stream.write(bytes);
      } catch (const boost::system::system_error&) {  // the router closes the connection
      }
    }(*far, many));
    const std::string answer = co_await read_to_end(*client);
    EXPECT_TRUE(holds(answer, "HTTP/1.1 103 Early Hints\r\n"));
    EXPECT_TRUE(holds(answer, "HTTP/1.1 502 Bad Gateway\r\n")) << answer.size();
    EXPECT_LT(answer.size(), 10'000u);
    co_await group.stop();
  });
}

}  // namespace
}  // namespace rivera::gorouter
