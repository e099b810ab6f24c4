// Requests that no honest client sends: each server gives its protocol's error and continues to serve.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/work/wait.h"
#include "cluster/prepare/certificates.h"
#include "harness/app.h"
#include "harness/cluster_under_test.h"
#include "models/forms/json.h"
#include "net/http/http_client.h"

namespace rivera::harness {
namespace {

using std::chrono::seconds;
using ::testing::AnyOf;
using ::testing::Eq;
using ::testing::HasSubstr;

struct Server {
  std::string component;
  std::string url;
};

std::vector<Server> servers(const cluster::Settings& s) {
  const auto at = [](const char* scheme, std::uint16_t port) { return fmt::format("{}://127.0.0.1:{}", scheme, port); };
  return {{"bbs", at("https", s.ports.bbs())},
          {"bbs", at("http", s.ports.bbs_health())},
          {"auctioneer", at("https", s.ports.auctioneer())},
          {"rep", at("https", s.ports.rep())},
          {"rep", at("https", s.ports.rep_admin())},
          {"garden", "unix:" + s.garden_socket().string()},
          {"gorouter", at("http", s.ports.router())},
          {"gorouter", at("http", s.ports.router_status())},
          {"route-emitter", at("http", s.ports.route_emitter_health())},
          {"file-server", at("http", s.ports.file_server())},
          {"locket", at("https", s.ports.locket())}};
}

class MalformedRequests : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const Server& server : servers(settings_)) pids_[server.component] = cluster_.pid_of(server.component);
  }

  // Every process is still the same and works.
  void TearDown() override {
    for (const auto& [component, pid] : pids_) {
      EXPECT_EQ(cluster_.pid_of(component), pid) << component << " was harmed";
      EXPECT_TRUE(eventually([&] { return cluster_.is_healthy(component); }, seconds(10))) << component;
    }
    const std::string guid = unique_guid("after");
    EXPECT_FALSE(run_task(cluster_, guid, a_task(cluster_, guid, "echo x > /tmp/result")).failed());
  }

  // With the certificate of a component.
  net::TlsContext tls(const std::string& component = "client") const {
    return net::TlsContext::client(cluster::tls_files(settings_, component));
  }

  // One request through a client of good manners.
  net::HttpResponse send(const std::string& url, const std::string& method, const std::string& target,
                         const std::string& body, const std::string& component = "client") const {
    return cluster::run_coroutine(send_once(tls(component), url, method, target, body));
  }

  // Raw bytes on a connection of its own; gives what comes back until the server closes, or for `patience`.
  std::string exchange(const std::string& url, const std::string& bytes, seconds patience = seconds(3),
                       const std::string& component = "client") const {
    return cluster::run_coroutine(exchange_once(tls(component), url, bytes, patience));
  }

  static asio::awaitable<net::HttpResponse> send_once(net::TlsContext context, std::string url, std::string method,
                                                      std::string target, std::string body) {
    const auto executor = co_await asio::this_coro::executor;
    net::HttpClientOptions options;
    options.tls = context;
    net::HttpClient client(executor, options);
    net::HttpRequest request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.body = std::move(body);
    const auto endpoint = net::Endpoint::parse(url);
    auto response = co_await client.send(endpoint, std::move(request), seconds(20));
    co_return response;
  }

  static asio::awaitable<std::string> exchange_once(net::TlsContext context, std::string url, std::string bytes,
                                                    seconds patience) {
    std::string out;
    try {
      const auto endpoint = net::Endpoint::parse(url);
      auto stream = co_await net::connect(endpoint, context, seconds(5));
      stream->set_timeout(patience);
      co_await stream->write(bytes);
      char buffer[65536];
      for (;;) {
        const std::size_t n = co_await stream->read_some(buffer);
        if (n == 0) break;
        out.append(buffer, n);
      }
    } catch (const std::exception&) {
      // Reset, or nothing more came in time: what came before is the answer.
    }
    co_return out;
  }

  ClusterUnderTest& cluster_ = ClusterUnderTest::shared();
  const cluster::Settings& settings_ = cluster_.settings();
  std::map<std::string, pid_t> pids_;
};

TEST_F(MalformedRequests, BytesThatAreNoHttpAreRefusedByEveryServer) {
  using namespace std::string_literals;
  for (const Server& server : servers(settings_)) {
    const std::string answer = exchange(server.url, "\x16\x03\xff garbage \x00\x01\r\n\r\n"s);
    if (server.component != "locket") {
      EXPECT_THAT(answer, AnyOf(Eq(""), HasSubstr(" 400 "))) << server.component << " " << server.url;
    }
  }
}

TEST_F(MalformedRequests, HalfARequestIsForgotten) {
  for (const Server& server : servers(settings_)) {
    exchange(server.url, "POST /v1/desired_lrps/list.r3 HTTP/1.1\r\nHost: x\r\nContent-Le", seconds(1));
    exchange(server.url, "POST /v1/desired_lrps/list.r3 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
             seconds(1));
  }
}

TEST_F(MalformedRequests, AHeadWithoutEndIsRefused) {
  for (const Server& server : servers(settings_)) {
    if (server.component == "locket") continue;
    const std::string endless = "GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + std::string(3 << 20, 'a') + "\r\n\r\n";
    const std::string answer = exchange(server.url, endless);
    EXPECT_THAT(answer.substr(0, 40), AnyOf(Eq(""), HasSubstr(" 431 "), HasSubstr(" 400 "))) << server.url;
  }
}

TEST_F(MalformedRequests, AServerOfMutualTlsWantsACertificate) {
  for (const Server& server : servers(settings_)) {
    if (!server.url.starts_with("https://")) continue;
    net::TlsFiles only_ca{
        .certificate_file = "", .key_file = "", .ca_file = cluster::tls_files(settings_, "client").ca_file};
    const auto anonymous = net::TlsContext::client(only_ca);
    const std::string answer =
        cluster::run_coroutine(exchange_once(anonymous, server.url, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", seconds(3)));
    EXPECT_EQ(answer, "") << server.url;
    const std::string plain_url = "http://" + server.url.substr(8);
    EXPECT_THAT(exchange(plain_url, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), ::testing::Not(HasSubstr(" 200 ")))
        << server.url;
  }
}

TEST_F(MalformedRequests, UnknownRoutesAreNotFound) {
  for (const char* target : {"/nowhere", "/v1/nowhere", "/v1/desired_lrps/list.r99"}) {
    EXPECT_EQ(send(settings_.bbs_url(), "POST", target, "").status, 404);
  }
  EXPECT_EQ(send(fmt::format("https://127.0.0.1:{}", settings_.ports.auctioneer()), "POST", "/nowhere", "").status,
            404);
  EXPECT_EQ(send(fmt::format("https://127.0.0.1:{}", settings_.ports.rep()), "GET", "/nowhere", "").status, 404);
  EXPECT_EQ(send(fmt::format("https://127.0.0.1:{}", settings_.ports.rep_admin()), "GET", "/nowhere", "").status, 404);
  EXPECT_EQ(send("unix:" + settings_.garden_socket().string(), "GET", "/nowhere", "").status, 404);
  EXPECT_EQ(send(settings_.file_server_url(), "GET", "/nowhere", "").status, 404);
}

TEST_F(MalformedRequests, TheBbsNamesWhatItCannotDecode) {
  const std::pair<const char*, const char*> routes[] = {{"/v1/desired_lrps/list.r3", "client"},
                                                        {"/v1/desired_lrp/desire.r2", "client"},
                                                        {"/v1/tasks/desire.r2", "client"},
                                                        {"/v1/actual_lrps/start.r1", "rep"},
                                                        {"/v1/domains/upsert", "client"}};
  for (const auto& [route, caller] : routes) {
    const net::HttpResponse response =
        send(settings_.bbs_url(), "POST", route, "\x0a\xff\xff\xff\xff not protobuf", caller);
    EXPECT_EQ(response.status, 200) << route;
    models::DomainsResponse decoded;  // every response has its error in field 1
    ASSERT_TRUE(decoded.ParseFromString(response.body)) << route;
    EXPECT_EQ(decoded.error().type(), models::Error::InvalidRequest) << route;
  }
  EXPECT_EQ(send(settings_.bbs_url(), "GET", "/v1/domains/list", "").status, 405);
}

TEST_F(MalformedRequests, BadJsonIsABadRequest) {
  const std::string auctioneer = fmt::format("https://127.0.0.1:{}", settings_.ports.auctioneer());
  EXPECT_EQ(send(auctioneer, "POST", "/v1/lrps", "{\"not\": [json", "bbs").status, 400);
  EXPECT_EQ(send(auctioneer, "POST", "/v1/tasks", "", "bbs").status, 400);
  const std::string rep = fmt::format("https://127.0.0.1:{}", settings_.ports.rep());
  EXPECT_EQ(send(rep, "POST", "/work", "{]", "auctioneer").status, 400);
  const net::HttpResponse garden = send("unix:" + settings_.garden_socket().string(), "POST", "/containers", "{{{");
  EXPECT_THAT(garden.status, AnyOf(Eq(400), Eq(500)));
}

TEST_F(MalformedRequests, ABodyTooLargeIsRefusedBeforeItIsRead) {
  const std::string claim = "POST /v1/desired_lrp/desire.r2 HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n";
  EXPECT_THAT(exchange(settings_.bbs_url(), claim), AnyOf(Eq(""), HasSubstr(" 413 "), HasSubstr(" 400 ")));
  const std::string work = "POST /work HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n";
  EXPECT_THAT(exchange(fmt::format("https://127.0.0.1:{}", settings_.ports.rep()), work, seconds(3), "auctioneer"),
              AnyOf(Eq(""), HasSubstr(" 413 "), HasSubstr(" 400 ")));
}

TEST_F(MalformedRequests, PathsThatClimbOutAreRefused) {
  for (const char* target : {"/v1/static/../../config/bbs.json", "/v1/static/%2e%2e/%2e%2e/config/bbs.json"}) {
    EXPECT_EQ(send(settings_.file_server_url(), "GET", target, "").status, 400);
  }
  EXPECT_EQ(send(settings_.file_server_url(), "POST", "/v1/static/x", "").status, 405);
}

asio::awaitable<int> serve_beside_slow_clients(std::string url, int slow_clients, std::string hostname) {
  const auto executor = co_await asio::this_coro::executor;
  const auto endpoint = net::Endpoint::parse(url);
  std::vector<std::unique_ptr<net::Stream>> slow;
  for (int i = 0; i < slow_clients; ++i) {
    auto stream = co_await net::connect(endpoint, std::nullopt, seconds(5));
    co_await stream->write("GET / HTTP/1.1\r\nHo");
    slow.push_back(std::move(stream));
  }
  net::HttpClient client(executor);
  net::HttpRequest request;
  request.method = "GET";
  request.target = "/";
  request.headers.set("Host", hostname);
  const auto response = co_await client.send(endpoint, std::move(request), seconds(5));
  co_return response.status;
}

TEST_F(MalformedRequests, SlowClientsDoNotKeepTheRouterFromOthers) {
  const RunningApp app(cluster_, a_web_app(cluster_, unique_guid("slow"), 1));
  ASSERT_TRUE(eventually([&] { return app.serves(1); }));
  EXPECT_EQ(cluster::run_coroutine(serve_beside_slow_clients(settings_.router_url(), 300, app.hostname())), 200);
}

}  // namespace
}  // namespace rivera::harness
