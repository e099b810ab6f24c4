// The network API, with a real HTTP server.
#include "rep/cell_service.h"

#include <fstream>
#include <set>

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/places.h"
#include "net/http/http_client.h"
#include "net/testing/test_certificates.h"
#include "rep/testing/testing_cell.h"

namespace rivera::rep::testing {
namespace {

using executor::ContainerState;
using ::testing::Contains;

class CellServiceTest : public CellTest {
 protected:
  CellServiceTest() {
    service.add_routes(router);
    add_admin_routes(admin_router, [this] { ++evacuations; });
    for (auto* server : {&network, &admin}) {
      server->listen();
      server->start();
    }
  }
  ~CellServiceTest() override {
    loop.run(network.stop(std::chrono::seconds(1)));
    loop.run(admin.stop(std::chrono::seconds(1)));
  }
  net::HttpResponse ask(const net::HttpServer& server, const std::string& method, const std::string& path,
                        const std::string& body = "") {
    net::HttpRequest request;
    request.method = method;
    request.target = path;
    request.body = body;
    return loop.run(client.send(net::Endpoint::parse("http://" + server.address()), request));
  }
  net::HttpResponse ask(const std::string& method, const std::string& path, const std::string& body = "") {
    return ask(network, method, path, body);
  }
  models::CellState state() { return models::parse_cell_state(ask("GET", "/state").body); }
  static std::string work_of(const std::string& lrps, const std::string& tasks, const std::string& cell = "cell-1") {
    return R"({"LRPs":)" + lrps + R"(,"Tasks":)" + tasks + R"(,"cell_id":")" + cell + "\"}";
  }
  const std::string lrp =
      R"({"instance_guid":"","process_guid":"p","index":2,"domain":"d","PlacementTags":["a"],)"
      R"("VolumeDrivers":[],"RootFs":"preloaded:busybox","MemoryMB":100,"DiskMB":10,"MaxPids":0,"state":""})";
  const std::string task =
      R"({"TaskGuid":"t","Domain":"d","PlacementTags":null,"VolumeDrivers":[],)"
      R"("RootFs":"preloaded:busybox","MemoryMB":1,"DiskMB":1,"MaxPids":0,"state":"Invalid","failed":false})";

  bool healthy = true;
  int evacuations = 0;
  CellService service{config,
                      {.executor = executor,
                       .evacuation = evacuation,
                       .background = background,
                       .metrics = metrics,
                       .container_metrics =
                           [] {
                             return models::ContainerMetricsCollection{"cell-1", {}, {}};
                           },
                       .is_healthy = [this] { return healthy; }},
                      logger};
  net::HttpRouter router;
  net::HttpRouter admin_router;
  net::HttpServer network{loop.executor(), {.address = "127.0.0.1:0", .tls = {}}, router.handler(), logger};
  net::HttpServer admin{loop.executor(), {.address = "127.0.0.1:0", .tls = {}}, admin_router.handler(), logger};
  net::HttpClient client{loop.executor()};
};

// Recorded requests of upstream's auctioneer and BBS to upstream's rep, with its answers.
TEST_F(CellServiceTest, AnswersRecordedRequestsLikeUpstream) {
  config.stacks = {{"cflinuxfs4", "/rootfs"}};
  std::ifstream recorded(base::source_dir() + "/tests/golden/conversations.jsonl");
  int replayed = 0;
  for (std::string line; std::getline(recorded, line);) {
    const auto exchange = boost::json::parse(line);
    if (exchange.at("server") != "rep" || exchange.at("method") == "GET") continue;
    const std::string path(exchange.at("path").as_string());
    if (const auto at = path.find("/instances/"); at != std::string::npos) {
      const auto guid = path.substr(at + 11, path.find('/', at + 11) - at - 11);
      if (!executor.contains(guid)) reserve_lrp(guid);
    }
    const auto text = [](const boost::json::value& message) {
      const auto* body = message.as_object().if_contains("text");
      return body ? std::string(body->as_string()) : std::string();
    };
    const auto answer = ask(std::string(exchange.at("method").as_string()), path, text(exchange.at("request")));
    EXPECT_EQ(answer.status, exchange.at("status").as_int64()) << line;
    EXPECT_EQ(answer.body, text(exchange.at("response"))) << line;
    ++replayed;
  }
  EXPECT_GE(replayed, 9);
}

// The recorded state of an idle cell, except for its resources.
TEST_F(CellServiceTest, ReportsAnIdleCellLikeUpstream) {
  config.stacks = {{"cflinuxfs4", "/rootfs"}};
  config.supported_providers = {"docker"};
  config.advertise_domain = "cell.service.cf.internal";
  config.placement_tags = config.optional_placement_tags = {};
  EXPECT_EQ(
      ask("GET", "/state").body,
      R"({"rep_url":"https://cell-1.cell.service.cf.internal:1801","cell_id":"cell-1","cell_index":0,)"
      R"("RootFSProviders":{"docker":{"type":"arbitrary"},"preloaded":{"set":{"cflinuxfs4":{}},"type":"fixed_set"},)"
      R"("preloaded+layer":{"set":{"cflinuxfs4":{}},"type":"fixed_set"}},)"
      R"("AvailableResources":{"MemoryMB":1000,"DiskMB":1000,"Containers":10},)"
      R"("TotalResources":{"MemoryMB":1000,"DiskMB":1000,"Containers":10},"LRPs":[],"Tasks":[],)"
      R"("StartingContainerCount":0,"Zone":"z1","Evacuating":false,"VolumeDrivers":null,"PlacementTags":[],)"
      R"("OptionalPlacementTags":[],"ProxyMemoryAllocationMB":0})"
      "\n");
}

TEST_F(CellServiceTest, ReservesOfferedWorkAndReportsIt) {
  const auto answer = ask("POST", "/work", work_of("[" + lrp + "]", "[" + task + "]"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "{\"LRPs\":null,\"Tasks\":null}\n");
  EXPECT_EQ(events.size(), 2u);
  const auto shown = state();
  ASSERT_EQ(shown.lrps.size(), 1u);
  EXPECT_EQ(shown.lrps[0].process_guid, "p");
  EXPECT_EQ(shown.lrps[0].index, 2);
  EXPECT_EQ(shown.lrps[0].instance_guid.size(), 28u);
  EXPECT_EQ(shown.lrps[0].state, "CLAIMED");
  EXPECT_EQ(shown.lrps[0].placement.placement_tags, (models::StringList{"a"}));
  ASSERT_EQ(shown.tasks.size(), 1u);
  EXPECT_EQ(shown.tasks[0].task_guid, "t");
  EXPECT_EQ(shown.starting_container_count, 2);
  EXPECT_EQ(shown.available.memory_mb, 899);
}

TEST_F(CellServiceTest, ReturnsRefusedWork) {
  ask("POST", "/work", work_of("null", "[" + task + "]"));
  const auto again = models::parse_work(ask("POST", "/work", work_of("null", "[" + task + "]")).body);
  ASSERT_EQ(again.tasks.size(), 1u);
  evacuation.evacuating = true;
  const auto evacuating = models::parse_work(ask("POST", "/work", work_of("[" + lrp + "]", "null")).body);
  EXPECT_EQ(evacuating.lrps.size(), 1u);
  EXPECT_TRUE(state().evacuating);
}

TEST_F(CellServiceTest, RefusesWorkForAnotherCellAndInvalidBodies) {
  EXPECT_EQ(ask("POST", "/work", work_of("null", "null", "cell-2")).status, 500);
  EXPECT_EQ(ask("POST", "/work", "{").status, 400);
  std::string many = "[{}";
  for (int i = 0; i < 20'000; ++i) many += ",{}";
  EXPECT_EQ(ask("POST", "/work", work_of("null", many + "]", "cell-1")).status, 413);
  EXPECT_EQ(ask("GET", "/nothing").status, 404);
  EXPECT_EQ(ask("GET", "/ping").status, 404);
  EXPECT_EQ(ask("POST", "/sim/reset").status, 500);
}

TEST_F(CellServiceTest, SendsItsStateWith503WhenGardenIsUnhealthy) {
  healthy = false;
  const auto answer = ask("GET", "/state");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(models::parse_cell_state(answer.body).cell_id, "cell-1");
}

TEST_F(CellServiceTest, StopsAndUpdatesAnInstance) {
  run_lrp("guid");
  const auto update = ask("PUT", "/v2/lrps/p/instances/guid",
                          R"({"instance_guid":"guid","process_guid":"p","index":0,"domain":"d",)"
                          R"("internal_routes":[{"hostname":"x.internal"}],"metric_tags":null})");
  EXPECT_EQ(update.status, 202);
  EXPECT_THAT(executor.get("guid")->run_info.internal_routes, ::testing::ElementsAre("x.internal"));
  EXPECT_EQ(ask("PUT", "/v1/lrps/p/instances/guid", "nonsense").status, 400);
  EXPECT_EQ(ask("PUT", "/v2/lrps/p/instances/unknown", "{}").status, 500);

  EXPECT_EQ(ask("POST", "/v1/lrps/p/instances/guid/stop").status, 202);
  await_state("guid", ContainerState::kCompleted);
  EXPECT_EQ(ask("POST", "/v1/lrps/p/instances/unknown/stop").status, 500);
}

TEST_F(CellServiceTest, CancelsATaskAfterItsAnswer) {
  ask("POST", "/work", work_of("null", "[" + task + "]"));
  EXPECT_EQ(ask("POST", "/v1/tasks/t/cancel").status, 202);
  loop.until([this] { return !executor.contains("t"); });
  EXPECT_EQ(ask("POST", "/v1/tasks/unknown/cancel").status, 202);
}

TEST_F(CellServiceTest, ReturnsContainerMetrics) {
  EXPECT_EQ(ask("GET", "/container_metrics").body, "{\"cell_id\":\"cell-1\",\"lrps\":[],\"tasks\":[]}\n");
}

TEST_F(CellServiceTest, HasASeparateAdminApi) {
  EXPECT_EQ(ask(admin, "GET", "/ping").status, 200);
  EXPECT_EQ(ask(admin, "GET", "/ping").body, "");
  const auto answer = ask(admin, "POST", "/evacuate");
  EXPECT_EQ(answer.status, 202);
  EXPECT_EQ(answer.body, "{\"ping_path\":\"/ping\"}\n");
  EXPECT_EQ(answer.headers.get("Content-Type"), "application/json");
  EXPECT_EQ(evacuations, 1);
  EXPECT_EQ(ask(admin, "GET", "/state").status, 404);
}

// The servers as in a cluster: mutual TLS, and each route for its roles.
class GuardedCellTest : public CellServiceTest {
 protected:
  ~GuardedCellTest() override {
    loop.run(guarded_network.stop(std::chrono::seconds(1)));
    loop.run(guarded_admin.stop(std::chrono::seconds(1)));
  }

  net::HttpServerOptions guarded() {
    net::HttpServerOptions options;
    options.address = "127.0.0.1:0";
    options.tls = net::TlsContext::mutual_server(certificates.server());
    options.access = net::AccessControl(net::Authorization::kRoles, models::role_bits, logger);
    return options;
  }

  // The routes, "METHOD pattern", that a client with this organizational unit may call.
  std::set<std::string> allowed(const std::string& unit) {
    const net::CertificateRequest request{
        .common_name = "someone", .organizational_units = {unit}, .use = net::CertificateUse::kClient};
    net::HttpClient caller(loop.executor(), {.tls = net::TlsContext::client(certificates.issue(request))});
    std::set<std::string> out;
    const std::pair<const net::HttpRouter*, const net::HttpServer*> both[] = {{&router, &guarded_network},
                                                                              {&admin_router, &guarded_admin}};
    for (const auto& [routes, server] : both) {
      for (const auto& [method, pattern] : routes->routes()) {
        net::HttpRequest asked;
        asked.method = method;
        asked.target = pattern;
        const auto endpoint = net::Endpoint::parse("https://" + server->address());
        const auto response = loop.run(caller.send(endpoint, asked));
        if (response.status != 403) {
          out.insert(method + " " + pattern);
        } else {
          EXPECT_EQ(response.body, "OU=" + unit + ",CN=someone may not call " + pattern + "\n");
        }
      }
    }
    return out;
  }

  static std::set<std::string> expected_of(models::Role role) {
    const std::string instance = "/lrps/:process_guid/instances/:instance_guid";
    switch (role) {
      case models::Role::kBbs:
        return {"GET /ping", "PUT /v1" + instance, "PUT /v2" + instance, "POST /v1" + instance + "/stop",
                "POST /v1/tasks/:task_guid/cancel"};
      case models::Role::kAuctioneer:
        return {"GET /ping", "GET /state", "POST /work"};
      case models::Role::kRep:
        return {"GET /ping", "POST /evacuate"};
      case models::Role::kOperator:
        return {"GET /ping", "GET /state", "GET /container_metrics", "POST /sim/reset", "POST /evacuate"};
      case models::Role::kLocket:
      case models::Role::kRouteEmitter:
      case models::Role::kGorouter:
      case models::Role::kNats:
      case models::Role::kFileServer:
      case models::Role::kSshProxy:
      case models::Role::kCloudController:
        return {"GET /ping"};
    }
    return {};
  }

  void SetUp() override {
    for (auto* server : {&guarded_network, &guarded_admin}) {
      server->listen();
      server->start();
    }
  }

  net::TestCertificates certificates;
  net::HttpServer guarded_network{loop.executor(), guarded(), router.handler(), logger};
  net::HttpServer guarded_admin{loop.executor(), guarded(), admin_router.handler(), logger};
};

TEST_F(GuardedCellTest, EachRoleMayCallItsRoutesAndNoOther) {
  std::set<std::string> called;
  for (const models::Role role : models::all_roles()) {
    const auto routes = allowed(std::string(models::name_of(role)));
    EXPECT_EQ(routes, expected_of(role)) << models::name_of(role);
    called.insert(routes.begin(), routes.end());
  }
  EXPECT_EQ(called.size(), router.routes().size() + admin_router.routes().size()) << "a route has no caller";
  EXPECT_EQ(allowed("department"), std::set<std::string>{"GET /ping"});
}

}  // namespace
}  // namespace rivera::rep::testing
