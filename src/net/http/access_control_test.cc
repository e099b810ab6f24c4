#include "net/stream/access_control.h"

#include <fcntl.h>

#include <boost/json/object.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/testing/test_run.h"
#include "net/http/http_client.h"
#include "net/http/http_router.h"
#include "net/testing/test_certificates.h"

namespace rivera::net {
namespace {

using base::run;
using ::testing::HasSubstr;

constexpr RoleBits kReader = 1, kWriter = 2;

int roles_read = 0;

RoleBits test_roles(const std::vector<std::string>& organizational_units) {
  ++roles_read;
  RoleBits roles = 0;
  for (const std::string& unit : organizational_units) {
    if (unit == "reader") roles |= kReader;
    if (unit == "writer") roles |= kWriter;
  }
  return roles;
}

Authorization authorization_of(boost::json::object values) {
  const base::ConfigFile file("file", std::move(values), {authorization_key()});
  return read_authorization(file);
}

TEST(AccessControl, IsOffUnlessItIsConfigured) {
  EXPECT_EQ(authorization_of({}), Authorization::kAny);
  EXPECT_EQ(authorization_of({{"authorization", ""}}), Authorization::kAny);
  EXPECT_EQ(authorization_of({{"authorization", "any"}}), Authorization::kAny);
  EXPECT_EQ(authorization_of({{"authorization", "roles"}}), Authorization::kRoles);
  EXPECT_THROW(authorization_of({{"authorization", "role"}}), base::ConfigError);
}

TEST(AccessControl, AsksForOneOfTheRolesOfARoute) {
  const AccessControl control(Authorization::kRoles, test_roles, base::Logger::discard());
  const Caller reader = control.identify("a", {"reader"}, "");
  const Caller without_role = control.identify("b", {}, "");
  EXPECT_TRUE(control.allows(reader, kReader | kWriter, "/"));
  EXPECT_FALSE(control.allows(reader, kWriter, "/"));
  EXPECT_FALSE(control.allows(without_role, kReader | kWriter, "/"));
  EXPECT_FALSE(control.allows(reader, 0, "/"));
  EXPECT_TRUE(control.allows(without_role, kAnyCaller, "/"));
}

TEST(AccessControl, WithoutRolesAllowsEverything) {
  const AccessControl control(Authorization::kAny, test_roles, base::Logger::discard());
  EXPECT_FALSE(control.is_enforced());
  EXPECT_TRUE(control.allows({}, 0, "/"));
  EXPECT_TRUE(AccessControl().allows({}, kWriter, "/"));
}

// A server with one route for writers and one for everyone.
class GuardedServer : public ::testing::Test {
 protected:
  GuardedServer() {
    const auto answer = [](HttpRequest, const PathParameters&) -> asio::awaitable<HttpResponse> {
      co_return text_response(200, "done");
    };
    router_.add("POST", "/write", for_callers(kWriter, "/write", simple(answer)));
    router_.add("GET", "/ping", for_callers(kAnyCaller, "/ping", simple(answer)));
  }

  std::unique_ptr<HttpServer> start(asio::any_io_executor executor, Authorization authorization, bool tls = true) {
    HttpServerOptions options;
    options.address = "127.0.0.1:0";
    if (tls) options.tls = TlsContext::mutual_server(certificates_.server());
    options.access = AccessControl(authorization, test_roles, logger_);
    auto server = std::make_unique<HttpServer>(executor, std::move(options), router_.handler(), logger_);
    server->listen();
    server->start();
    return server;
  }

  HttpClientOptions client(const std::string& unit, CertificateUse use = CertificateUse::kClient) {
    const CertificateRequest request{.common_name = "someone", .organizational_units = {unit}, .use = use};
    HttpClientOptions options;
    options.tls = TlsContext::client(certificates_.issue(request));
    return options;
  }

  static asio::awaitable<HttpResponse> send(HttpClient& client, const HttpServer& server, std::string method,
                                            std::string path, std::string scheme = "https://") {
    HttpRequest request;
    request.method = std::move(method);
    request.target = std::move(path);
    auto response = co_await client.send(Endpoint::parse(scheme + server.address()), std::move(request));
    co_return response;
  }

  std::string log() const { return base::read_file(log_file_); }

  base::TemporaryDirectory directory_{"rivera-access-"};
  const std::string log_file_ = directory_.path() / "log";
  base::UniqueFd log_fd_{::open(log_file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
  base::Logger logger_{"test", base::LogLevel::kInfo, base::LogTimeFormat::kRfc3339, log_fd_.get()};
  TestCertificates certificates_;
  HttpRouter router_;
};

TEST_F(GuardedServer, RefusesAndNamesWhoIsNotAllowed) {
  run([this](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor, Authorization::kRoles);
    HttpClient writer(executor, client("writer"));
    HttpClient reader(executor, client("reader"));
    const HttpResponse done = co_await send(writer, *server, "POST", "/write");
    EXPECT_EQ(done.status, 200);
    const HttpResponse refused = co_await send(reader, *server, "POST", "/write");
    EXPECT_EQ(refused.status, 403);
    EXPECT_EQ(refused.body, "OU=reader,CN=someone may not call /write\n");
    const HttpResponse pinged = co_await send(reader, *server, "GET", "/ping");
    EXPECT_EQ(pinged.status, 200);
    co_await server->stop(std::chrono::seconds(1));
  });
  ASSERT_TRUE(logger_.flush());
  EXPECT_THAT(log(), HasSubstr("test.access-denied"));
  EXPECT_THAT(log(), HasSubstr(R"("subject":"OU=reader,CN=someone")"));
  EXPECT_THAT(log(), HasSubstr(R"("route":"/write")"));
  EXPECT_EQ(log().find("OU=writer"), std::string::npos);
}

TEST_F(GuardedServer, FindsTheRolesOncePerConnection) {
  roles_read = 0;
  run([this](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor, Authorization::kRoles);
    HttpClient writer(executor, client("writer"));
    for (int i = 0; i < 5; ++i) {
      const HttpResponse response = co_await send(writer, *server, "POST", "/write");
      EXPECT_EQ(response.status, 200);
    }
    co_await server->stop(std::chrono::seconds(1));
  });
  EXPECT_EQ(roles_read, 1);
}

TEST_F(GuardedServer, LetsEveryCertificateInByDefault) {
  run([this](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor, Authorization::kAny);
    HttpClient without_role(executor, client("department"));
    const HttpResponse response = co_await send(without_role, *server, "POST", "/write");
    EXPECT_EQ(response.status, 200);
    co_await server->stop(std::chrono::seconds(1));
  });
}

TEST_F(GuardedServer, RefusesCallersWithoutACertificate) {
  run([this](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor, Authorization::kRoles, false);
    HttpClient plain(executor);
    const HttpResponse response = co_await send(plain, *server, "POST", "/write", "http://");
    EXPECT_EQ(response.status, 403);
    EXPECT_EQ(response.body, "a caller without a certificate may not call /write\n");
    co_await server->stop(std::chrono::seconds(1));
  });
}

TEST_F(GuardedServer, RefusesAServersCertificateFromAClient) {
  run([this](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto server = start(executor, Authorization::kRoles);
    HttpClient writer(executor, client("writer", CertificateUse::kServer));
    bool failed = false;
    try {
      co_await send(writer, *server, "POST", "/write");
    } catch (const TransportError&) {
      failed = true;
    }
    EXPECT_TRUE(failed);
    co_await server->stop(std::chrono::seconds(1));
  });
}

TEST_F(GuardedServer, NamesItsRoutes) {
  using Route = std::pair<std::string, std::string>;
  router_.add("PUT", "/things/:name", for_callers(kWriter, "/things/:name", nullptr));
  EXPECT_THAT(router_.routes(),
              ::testing::ElementsAre(Route{"GET", "/ping"}, Route{"POST", "/write"}, Route{"PUT", "/things/:name"}));
}

}  // namespace
}  // namespace rivera::net
