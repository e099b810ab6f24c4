#include "auctioneer/auction_service.h"

#include <algorithm>
#include <fcntl.h>
#include <set>

#include <gtest/gtest.h>

#include "auctioneer/testing/auction_test_bench.h"
#include "base/files.h"
#include "base/log/trace.h"
#include "models/nouns/role.h"
#include "net/testing/test_certificates.h"

namespace rivera::auctioneer {
namespace {

using testing::Bench;
using testing::eventually;
using testing::indices;
using testing::start_lrp;
using testing::start_task;
using testing::with_bench;

TEST(AuctionService, AnswersAcceptedWithAnEmptyObject) {
  with_bench([](Bench& bench) -> asio::awaitable<void> {
    bench.add_cell("cell-a");
    std::vector<models::LRPStartRequest> lrps{start_lrp("p", indices(0))};
    std::vector<models::TaskStartRequest> tasks{start_task("t")};
    auto response = co_await bench.send("POST", "/v1/lrps", models::to_json(lrps));
    EXPECT_EQ(response.status, 202);
    EXPECT_EQ(response.body, "{}");
    EXPECT_EQ(response.headers.get("Content-Type"), "application/json");
    EXPECT_EQ(response.headers.get("Content-Length"), "2");
    response = co_await bench.send("POST", "/v1/tasks", models::to_json(tasks));
    EXPECT_EQ(response.status, 202);
    EXPECT_EQ(response.body, "{}");
  });
}

TEST(AuctionService, TakesEmptyLists) {
  with_bench([](Bench& bench) -> asio::awaitable<void> {
    for (const std::string body : {"[]", "null"}) {
      const auto response = co_await bench.send("POST", "/v1/lrps", body);
      EXPECT_EQ(response.status, 202) << body;
    }
    co_await eventually("even an empty list makes a batch", [&] { return bench.bbs.requests > 0; });
  });
}

TEST(AuctionService, RefusesMalformedBodies) {
  with_bench([](Bench& bench) -> asio::awaitable<void> {
    for (const std::string path : {"/v1/lrps", "/v1/tasks"}) {
      for (const std::string body : {"", "{}", "[", "[] x", "[3]"}) {
        const auto response = co_await bench.send("POST", path, body);
        EXPECT_EQ(response.status, 400) << path << " " << body;
        EXPECT_NE(response.body.find("{\"error\":\""), std::string::npos) << response.body;
      }
    }
    EXPECT_EQ(bench.bbs.requests, 0);
  });
}

TEST(AuctionService, KnowsItsRoutes) {
  with_bench([](Bench& bench) -> asio::awaitable<void> {
    auto response = co_await bench.send("GET", "/v1/lrps", "");
    EXPECT_EQ(response.status, 405);
    EXPECT_EQ(response.headers.get("Allow"), "POST");
    response = co_await bench.send("POST", "/v1/nothing", "[]");
    EXPECT_EQ(response.status, 404);
    co_await eventually("each request counts", [&] { return bench.has_metric("auctioneer_request_count 2"); });
  });
}

TEST(AuctionService, DropsInvalidEntriesAndKeepsTheOthers) {
  with_bench([](Bench& bench) -> asio::awaitable<void> {
    auto& cell = bench.add_cell("cell-a");
    std::vector<models::LRPStartRequest> lrps{start_lrp("", indices(0)), start_lrp("no-indices", indices()),
                                              start_lrp("good", indices(0))};
    const auto response = co_await bench.send("POST", "/v1/lrps", models::to_json(lrps));
    EXPECT_EQ(response.status, 202);
    co_await eventually("the cell has work", [&] { return !cell.works.empty(); });
    EXPECT_EQ(cell.works[0].lrps.size(), 1u);
    EXPECT_EQ(cell.works[0].lrps[0].process_guid, "good");
  });
}

TEST(AuctionService, LogsOfManyInvalidEntriesTheFirst) {
  base::TemporaryDirectory directory;
  const auto path = directory.path() / "log";
  base::UniqueFd file(::open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
  const base::Logger logger("auctioneer", base::LogLevel::kInfo, base::LogTimeFormat::kRfc3339, file.get());
  with_bench(
      [](Bench& bench) -> asio::awaitable<void> {
        const std::vector<models::LRPStartRequest> lrps(1000, start_lrp("", indices(0)));
        const auto response = co_await bench.send("POST", "/v1/lrps", models::to_json(lrps));
        EXPECT_EQ(response.status, 202);
      },
      {}, std::chrono::seconds(20), logger);
  EXPECT_TRUE(logger.flush());
  const std::string log = base::read_file(path);
  EXPECT_LT(std::ranges::count(log, '\n'), 120);
  EXPECT_NE(log.find("\"unlogged\":900"), std::string::npos);
}

TEST(AuctionService, LogsEachRequestWithItsTrace) {
  base::TemporaryDirectory directory;
  const auto path = directory.path() / "log";
  base::UniqueFd file(::open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
  const base::Logger logger("auctioneer", base::LogLevel::kInfo, base::LogTimeFormat::kRfc3339, file.get());
  with_bench(
      [](Bench& bench) -> asio::awaitable<void> {
        bench.add_cell("cell-a");
        co_await bench.start(start_lrp("p", indices(0)), "f5b5d5a6-3f0c-4b7e-9a54-1f2e3d4c5b6a");
        co_await eventually("the batch is done",
                            [&] { return bench.has_metric("auctioneer_auctioneer_lrp_auctions_started 1"); });
      },
      {}, std::chrono::seconds(20), logger);
  EXPECT_TRUE(logger.flush());
  const std::string log = base::read_file(path);
  std::size_t from = 0;
  for (const std::string message :
       {"auctioneer.request.serving", "auctioneer.request.lrp-auction-handler.create.submitted",
        "auctioneer.request.done"}) {
    from = log.find("\"" + message + "\"", from);
    ASSERT_NE(from, std::string::npos) << message << "\n" << log;
  }
  EXPECT_NE(log.find("\"trace-id\":\"f5b5d5a63f0c4b7e9a541f2e3d4c5b6a\""), std::string::npos);
  for (const std::string message :
       {"fetching-cell-reps", "fetched-cell-reps", "fetching-zone-state", "zone-state", "fetched-zone-state",
        "fetching-auctions", "fetched-auctions", "scheduling", "lrp-added-to-cell", "scheduled"}) {
    EXPECT_NE(log.find("\"auctioneer.auction." + message + "\""), std::string::npos) << message;
  }
}

// The server as in a cluster: mutual TLS, and each route for its roles.
asio::awaitable<std::set<std::string>> allowed(Bench& bench, net::TestCertificates& certificates, std::string unit) {
  net::HttpServerOptions options;
  options.address = "127.0.0.1:0";
  options.tls = net::TlsContext::mutual_server(certificates.server());
  options.access = net::AccessControl(net::Authorization::kRoles, models::role_bits, base::Logger::discard());
  net::HttpServer server(bench.executor, options, bench.service.handler(), base::Logger::discard());
  server.listen();
  server.start();
  const net::CertificateRequest request{.common_name = "someone", .organizational_units = {unit}};
  net::HttpClientOptions client_options;
  client_options.tls = net::TlsContext::client(certificates.issue(request));
  net::HttpClient client(bench.executor, client_options);
  std::set<std::string> out;
  for (const auto& [method, path] : bench.service.routes()) {
    net::HttpRequest asked;
    asked.method = method;
    asked.target = path;
    asked.body = "[]";
    const auto endpoint = net::Endpoint::parse("https://" + server.address());
    const auto response = co_await client.send(endpoint, std::move(asked));
    if (response.status != 403) {
      EXPECT_EQ(response.status, 202);
      out.insert(path);
    } else {
      EXPECT_EQ(response.body, "OU=" + unit + ",CN=someone may not call " + path + "\n");
    }
  }
  co_await server.stop(std::chrono::seconds(5));
  co_return out;
}

TEST(AuctionService, TakesWorkFromTheBbsAlone) {
  with_bench([](Bench& bench) -> asio::awaitable<void> {
    net::TestCertificates certificates;
    for (const models::Role role : models::all_roles()) {
      const auto paths = co_await allowed(bench, certificates, std::string(models::name_of(role)));
      const bool may = role == models::Role::kBbs;
      EXPECT_EQ(paths, may ? std::set<std::string>({"/v1/lrps", "/v1/tasks"}) : std::set<std::string>())
          << models::name_of(role);
    }
  });
}

TEST(Trace, IsTheHeaderAsAHexadecimalNumber) {
  EXPECT_EQ(base::trace_id_of("F5B5D5A6-3f0c-4b7e-9a54-1f2e3d4c5b6a"), "f5b5d5a63f0c4b7e9a541f2e3d4c5b6a");
  EXPECT_EQ(base::trace_id_of("1f"), "000000000000001f");
  EXPECT_EQ(base::trace_id_of("1ffffffffffffffff"), "0000000000000001ffffffffffffffff");
  EXPECT_EQ(base::trace_id_of("00000000000000000000000000000001"), "0000000000000001");
}

TEST(Trace, IsNoneForOtherTexts) {
  for (const std::string text : {"", "-", "vizzini-trace-id", "0x12", "f5b5d5a63f0c4b7e9a541f2e3d4c5b6a0", "12 34"}) {
    EXPECT_EQ(base::trace_id_of(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace rivera::auctioneer
