#include "clients/rep_client.h"

#include <gtest/gtest.h>

#include "base/testing/test_run.h"
#include "base/work/wait.h"
#include "clients/auctioneer_client.h"
#include "net/http/http_server.h"
#include "net/testing/test_certificates.h"
#include "net/testing/test_name_server.h"

namespace rivera::clients {
namespace {

using namespace std::chrono_literals;

using base::run;

// Answers each request with the next of `answers` and keeps what it was asked.
class ScriptedServer {
 public:
  explicit ScriptedServer(const asio::any_io_executor& executor, std::optional<net::TlsContext> tls = std::nullopt) {
    net::HttpServerOptions options;
    options.address = "127.0.0.1:0";
    options.tls = std::move(tls);
    auto handler = [this](net::HttpExchange& exchange) { return answer(exchange); };
    server_ = std::make_unique<net::HttpServer>(executor, std::move(options), handler, base::Logger::discard());
    server_->listen();
    server_->start();
  }

  std::string address() const { return server_->address(); }
  std::string port() const { return address().substr(address().rfind(':')); }
  asio::awaitable<void> stop() { co_await server_->stop(0s); }

  std::vector<net::HttpResponse> answers;
  std::vector<net::HttpRequest> requests;

 private:
  asio::awaitable<void> answer(net::HttpExchange& exchange) {
    net::HttpRequest request;
    static_cast<net::RequestHead&>(request) = exchange.request();
    request.body = co_await exchange.read_body(1 << 20);
    requests.push_back(std::move(request));
    net::HttpResponse response = net::text_response(500, "");
    if (requests.size() <= answers.size()) response = answers[requests.size() - 1];
    co_await exchange.respond(std::move(response));
  }

  std::unique_ptr<net::HttpServer> server_;
};

// What `call` throws, "" if nothing.
asio::awaitable<std::string> failure_of(asio::awaitable<void> call) {
  std::string failure;
  try {
    co_await std::move(call);
  } catch (const std::exception& e) {
    failure = e.what();
  }
  co_return failure;
}

TEST(RepClientFactory, ChoosesTheAddressAsUpstreamDoes) {
  run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    net::TestCertificates certificates;
    const std::string https = "https://cell:1801";
    const std::string http = "http://cell:1801";
    const std::string old = "http://10.0.0.1:1800";
    const auto address = [](const RepClientFactory& factory, const std::string& rep_address,
                            const std::string& rep_url) {
      try {
        return factory.at(rep_address, rep_url).address();
      } catch (const RepAddressError& e) {
        return std::string(e.what());
      }
    };
    RepClientOptions options;
    const RepClientFactory plain(executor, options);
    EXPECT_EQ(address(plain, old, https), "https scheme not supported since certificates aren't provided");
    EXPECT_EQ(address(plain, old, http), http);
    EXPECT_EQ(address(plain, old, ""), old);
    options.tls = certificates.client();
    const RepClientFactory optional(executor, options);
    EXPECT_EQ(address(optional, old, https), https);
    EXPECT_EQ(address(optional, old, http), http);
    EXPECT_EQ(address(optional, old, ""), old);
    options.require_tls = true;
    const RepClientFactory required(executor, options);
    const std::string refused = "https scheme is required but none of the addresses support it";
    EXPECT_EQ(address(required, old, https), https);
    EXPECT_EQ(address(required, old, http), refused);
    EXPECT_EQ(address(required, old, ""), refused);
    co_return;
  });
}

TEST(RepClient, SpeaksTheRecordedRequests) {
  run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    ScriptedServer server(executor);
    server.answers = {net::text_response(200, "{\"LRPs\":null,\"Tasks\":null}\n"), net::text_response(202, ""),
                      net::text_response(202, ""), net::text_response(202, "")};
    const RepClientFactory factory(executor, {});
    const RepClient rep = factory.at("", "http://" + server.address(), "a-trace");
    models::Work work;
    work.cell_id = "cell-1";
    const auto rejected = co_await rep.perform_work(work);
    EXPECT_TRUE(rejected.empty());
    co_await rep.stop_lrp_instance("process/1", "instance");
    co_await rep.cancel_task("task");
    models::LRPUpdate update;
    update.process_guid = "p";
    update.instance_guid = "i";
    co_await rep.update_lrp_instance(update);

    EXPECT_EQ(server.requests.size(), 4u);
    EXPECT_EQ(server.requests[0].target, "/work");
    EXPECT_EQ(server.requests[0].body, "{\"LRPs\":null,\"Tasks\":null,\"cell_id\":\"cell-1\"}");
    EXPECT_EQ(server.requests[0].headers.get("X-Vcap-Request-Id"), "a-trace");
    EXPECT_EQ(server.requests[1].target, "/v1/lrps/process%2F1/instances/instance/stop");
    EXPECT_EQ(server.requests[1].method, "POST");
    EXPECT_EQ(server.requests[2].target, "/v1/tasks/task/cancel");
    EXPECT_EQ(server.requests[3].target, "/v2/lrps/p/instances/i");
    EXPECT_EQ(server.requests[3].method, "PUT");
    EXPECT_EQ(server.requests[3].headers.get("Content-Type"), "application/json");
    co_await server.stop();
  });
}

TEST(RepClient, FailsOnOtherStatuses) {
  run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    ScriptedServer server(executor);
    server.answers = {net::text_response(503, "{}"), net::text_response(500, ""), net::text_response(200, "[]")};
    const RepClientFactory factory(executor, {});
    const RepClient rep = factory.at("", "http://" + server.address());
    std::vector<std::string> failures;
    for (int i = 0; i < 3; ++i) {
      std::string failure;
      try {
        if (i == 1) {
          co_await rep.cancel_task("t");
        } else {
          co_await rep.state();
        }
      } catch (const std::exception& e) {
        failure = e.what();
      }
      failures.push_back(std::move(failure));
    }
    EXPECT_EQ(failures[0], "unexpected status code: 503") << "an unhealthy cell sends its state all the same";
    EXPECT_EQ(failures[1], "http error: status code 500 (Internal Server Error)");
    EXPECT_NE(failures[2].find("expected an object"), std::string::npos) << failures[2];
    co_await server.stop();
  });
}

TEST(RepClient, UpdatesAnOldRepByItsOldRoute) {
  run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    ScriptedServer server(executor);
    server.answers = {net::text_response(404, ""), net::text_response(202, ""), net::text_response(404, "")};
    const RepClientFactory factory(executor, {});
    const RepClient rep = factory.at("", "http://" + server.address());
    models::LRPUpdate update;
    update.process_guid = "p";
    update.instance_guid = "i";
    update.internal_routes.emplace();
    update.metric_tags.emplace();
    co_await rep.update_lrp_instance(update);
    EXPECT_EQ(server.requests.size(), 2u);
    EXPECT_EQ(server.requests[1].target, "/v1/lrps/p/instances/i");
    EXPECT_NE(server.requests[1].body.find("\"metric_tags\":null"), std::string::npos);

    update.internal_routes.reset();
    co_await rep.update_lrp_instance(update);
    EXPECT_EQ(server.requests.size(), 3u) << "without routes there is nothing to tell an old rep";
    co_await server.stop();
  });
}

TEST(RepClient, VerifiesTheNameOfTheCellAndReachesItByItsAddressWhereNoDnsKnowsIt) {
  run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    net::TestCertificates certificates;
    net::CertificateRequest request;
    request.common_name = "rep";
    request.dns_names = {"*.cell.invalid"};
    request.addresses = {"127.0.0.1"};
    ScriptedServer server(executor, net::TlsContext::mutual_server(certificates.issue(request)));
    for (int i = 0; i < 3; ++i) server.answers.push_back(net::text_response(200, "{\"cell_id\":\"cell-1\"}"));
    RepClientOptions options;
    options.tls = certificates.client();
    options.require_tls = true;
    const RepClientFactory factory(executor, options);

    const std::string legacy = "http://127.0.0.1:1800";
    const RepClient rep = factory.at(legacy, "https://cell-1.cell.invalid" + server.port());
    for (int i = 0; i < 2; ++i) {
      const auto state = co_await rep.state();
      EXPECT_EQ(state.cell_id, "cell-1");
    }
    const RepClient impostor = factory.at(legacy, "https://cell-1.other.invalid" + server.port());
    std::string failure = co_await failure_of(impostor.cancel_task("t"));
    EXPECT_NE(failure, "") << "the certificate is for another name";
    const RepClient lost = factory.at("", "https://cell-1.cell.invalid" + server.port());
    failure = co_await failure_of(lost.cancel_task("t"));
    EXPECT_NE(failure, "") << "no address to fall back on";
    EXPECT_EQ(server.requests.size(), 2u);
    co_await server.stop();
  });
}

TEST(RepClient, ReachesACellByItsNameWhereItsPresenceHasNothingElse) {
  const std::map<std::string, std::string> known{{"cell-1.cell.test.internal", "127.0.0.1"}};
  const net::TestNameServer names(known);
  run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    net::TestCertificates certificates;
    net::CertificateRequest request;
    request.dns_names = {"cell-1.cell.test.internal"};
    request.addresses = {};
    ScriptedServer server(executor, net::TlsContext::mutual_server(certificates.issue(request)));
    for (int i = 0; i < 3; ++i) server.answers.push_back(net::text_response(200, "{\"cell_id\":\"cell-1\"}"));
    RepClientOptions options;
    options.tls = certificates.client();
    const RepClientFactory factory(executor, options);
    const std::string url = "https://cell-1.cell.test.internal" + server.port();
    for (const std::string legacy : {"http://cell-1.cell.test.internal:1800", "", "http://0.0.0.0:1800"}) {
      const RepClient rep = factory.at(legacy, url);
      const auto state = co_await rep.state();
      EXPECT_EQ(state.cell_id, "cell-1") << legacy;
    }
    co_await server.stop();
  });
}

TEST(RepClient, ReachesCellsThoughNoNameServerAnswers) {
  const net::TestNameServer black_hole = net::TestNameServer::silent();
  run([&black_hole](asio::any_io_executor executor) -> asio::awaitable<void> {
    net::TestCertificates certificates;
    net::CertificateRequest request;
    request.common_name = "rep";
    request.dns_names = {"cell-1.cell.test.internal"};
    request.addresses = {};
    ScriptedServer server(executor, net::TlsContext::mutual_server(certificates.issue(request)));
    server.answers = {net::text_response(200, "{\"LRPs\":null,\"Tasks\":null}")};
    RepClientOptions options;
    options.tls = certificates.client();
    options.request_timeout = 20s;
    const RepClientFactory factory(executor, options);
    const std::string url = "https://cell-1.cell.test.internal" + server.port();
    const auto begun = std::chrono::steady_clock::now();
    const RepClient rep = factory.at("http://127.0.0.1:1800", url);
    models::Work work;
    const auto rejected = co_await rep.perform_work(work);
    EXPECT_TRUE(rejected.empty());
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 2s) << "a presence with an address needs no look-up";
    EXPECT_EQ(black_hole.questions(), 0);
    EXPECT_EQ(server.requests.size(), 1u);

    RepClientOptions hasty = options;
    hasty.request_timeout = 400ms;
    const RepClientFactory by_name(executor, hasty);
    const RepClient lost = by_name.at("", url);
    auto call = lost.cancel_task("t");
    const std::string failure = co_await failure_of(std::move(call));
    EXPECT_NE(failure.find("Host not found"), std::string::npos) << failure;
    co_await server.stop();
  });
}

TEST(RepClient, GivesUpOnASlowCell) {
  run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    net::HttpServerOptions server_options;
    server_options.address = "127.0.0.1:0";
    base::Condition never(executor);
    auto handler = [&never](net::HttpExchange&) -> asio::awaitable<void> { co_await never.wait(); };
    net::HttpServer server(executor, server_options, handler, base::Logger::discard());
    server.listen();
    server.start();
    RepClientOptions options;
    options.state_timeout = 50ms;
    const RepClientFactory factory(executor, options);
    const RepClient rep = factory.at("", "http://" + server.address());
    bool timed_out = false;
    try {
      co_await rep.state();
    } catch (const base::DeadlineExceeded&) {
      timed_out = true;
    }
    EXPECT_TRUE(timed_out);
    co_await server.stop(0s);
  });
}

TEST(AuctioneerClient, SpeaksTheRecordedRequestsOverMutualTls) {
  run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    net::TestCertificates certificates;
    ScriptedServer server(executor, net::TlsContext::mutual_server(certificates.server()));
    server.answers = {net::json_response(202, "{}"), net::json_response(202, "{}"), net::json_response(500, "{}")};
    AuctioneerClientOptions options;
    options.url = "https://" + server.address();
    options.tls = certificates.client();
    AuctioneerClient client(executor, options);
    std::vector<models::LRPStartRequest> lrps(1);
    std::vector<models::TaskStartRequest> tasks(1);
    co_await client.request_lrp_auctions(lrps, "a-trace");
    co_await client.request_task_auctions(tasks, "");
    EXPECT_EQ(server.requests[0].target, "/v1/lrps");
    EXPECT_EQ(server.requests[0].body, models::to_json(lrps));
    EXPECT_EQ(server.requests[0].headers.get("X-Vcap-Request-Id"), "a-trace");
    EXPECT_EQ(server.requests[1].target, "/v1/tasks");
    EXPECT_EQ(server.requests[1].body, models::to_json(tasks));
    auto call = client.request_lrp_auctions(lrps, "");
    const std::string failure = co_await failure_of(std::move(call));
    EXPECT_EQ(failure, "http error: status code 500 (Internal Server Error)");
    co_await server.stop();
  });
}

TEST(AuctioneerClient, FallsBackToPlainHttpOnlyWhereTlsIsOptional) {
  run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    net::TestCertificates certificates;
    ScriptedServer server(executor);
    server.answers = {net::json_response(202, "{}"), net::json_response(202, "{}"), net::json_response(202, "{}")};
    AuctioneerClientOptions options;
    options.url = "https://" + server.address();
    options.tls = certificates.client();
    options.require_tls = false;
    AuctioneerClient lenient(executor, options);
    co_await lenient.request_lrp_auctions({}, "");
    const auto reached = server.requests.size();
    EXPECT_GE(reached, 1u);
    EXPECT_EQ(server.requests.back().target, "/v1/lrps");
    options.require_tls = true;
    AuctioneerClient strict(executor, options);
    auto call = strict.request_lrp_auctions({}, "");
    const std::string failure = co_await failure_of(std::move(call));
    EXPECT_NE(failure, "");
    EXPECT_EQ(server.requests.size(), reached);
    co_await server.stop();
  });
}

}  // namespace
}  // namespace rivera::clients
