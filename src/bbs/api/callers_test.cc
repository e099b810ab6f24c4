// Who may call which route: every role on every route, over mutual TLS.
#include "bbs/api/callers.h"

#include <set>

#include <gmock/gmock.h>

#include "bbs/program/bbs_harness.h"
#include "domain.pb.h"

namespace rivera::bbs {
namespace {

using models::Role;
using Paths = std::set<std::string>;

// What each role may call besides /v1/ping.
Paths paths_of(Role role) {
  Paths desiring = {"/v1/domains/list",
                    "/v1/domains/upsert",
                    "/v1/actual_lrps/list",
                    "/v1/actual_lrps/list_by_process_guids",
                    "/v1/actual_lrp_groups/list",
                    "/v1/actual_lrp_groups/list_by_process_guid",
                    "/v1/actual_lrp_groups/get_by_process_guid_and_index",
                    "/v1/actual_lrps/retire",
                    "/v1/desired_lrp_scheduling_infos/list",
                    "/v1/desired_lrp_scheduling_infos/get_by_process_guid",
                    "/v1/desired_lrp_routing_infos/list",
                    "/v1/desired_lrps/list.r3",
                    "/v1/desired_lrps/list.r2",
                    "/v1/desired_lrps/get_by_process_guid.r3",
                    "/v1/desired_lrps/get_by_process_guid.r2",
                    "/v1/desired_lrp/desire.r2",
                    "/v1/desired_lrp/update",
                    "/v1/desired_lrp/remove",
                    "/v1/tasks/list.r3",
                    "/v1/tasks/list.r2",
                    "/v1/tasks/get_by_task_guid.r3",
                    "/v1/tasks/get_by_task_guid.r2",
                    "/v1/tasks/desire.r2",
                    "/v1/tasks/cancel",
                    "/v1/tasks/resolving",
                    "/v1/tasks/delete",
                    "/v1/events",
                    "/v1/events.r1",
                    "/v1/events/lrp_instances",
                    "/v1/events/lrp_instances.r1",
                    "/v1/events/tasks",
                    "/v1/events/tasks.r1"};
  switch (role) {
    case Role::kCloudController:
      return desiring;
    case Role::kOperator: {
      Paths paths = desiring;
      paths.insert("/v1/cells/list.r1");
      return paths;
    }
    case Role::kRep:
      return {"/v1/actual_lrps/list",
              "/v1/actual_lrps/claim",
              "/v1/actual_lrps/start",
              "/v1/actual_lrps/start.r1",
              "/v1/actual_lrps/crash",
              "/v1/actual_lrps/remove",
              "/v1/actual_lrps/remove_evacuating",
              "/v1/actual_lrps/evacuate_claimed",
              "/v1/actual_lrps/evacuate_crashed",
              "/v1/actual_lrps/evacuate_stopped",
              "/v1/actual_lrps/evacuate_running",
              "/v1/actual_lrps/evacuate_running.r1",
              "/v1/desired_lrps/get_by_process_guid.r3",
              "/v1/tasks/list.r3",
              "/v1/tasks/get_by_task_guid.r3",
              "/v1/tasks/start",
              "/v1/tasks/fail",
              "/v1/tasks/reject",
              "/v1/tasks/complete"};
    case Role::kAuctioneer:
      return {"/v1/cells/list.r1", "/v1/actual_lrps/fail", "/v1/tasks/reject"};
    case Role::kRouteEmitter:
      return {"/v1/domains/list",
              "/v1/actual_lrps/list",
              "/v1/desired_lrp_scheduling_infos/list",
              "/v1/desired_lrp_routing_infos/list",
              "/v1/events/lrp_instances",
              "/v1/events/lrp_instances.r1"};
    case Role::kSshProxy:
      return {"/v1/actual_lrps/list", "/v1/actual_lrp_groups/get_by_process_guid_and_index",
              "/v1/desired_lrps/get_by_process_guid.r3"};
    case Role::kBbs:
    case Role::kLocket:
    case Role::kGorouter:
    case Role::kNats:
    case Role::kFileServer:
      return {};
  }
  return {};
}

class BbsCallers : public BbsHarness {
 protected:
  explicit BbsCallers(net::Authorization authorization = net::Authorization::kRoles) {
    config_.authorization = authorization;
    start();
  }

  net::HttpClientOptions client_of(const std::vector<std::string>& units) {
    const net::CertificateRequest request{.organizational_units = units, .use = net::CertificateUse::kClient};
    net::HttpClientOptions options = client_options();
    options.tls = net::TlsContext::client(certificates_.issue(request));
    return options;
  }

  // The paths that a client with these organizational units may call.
  Paths allowed(const std::vector<std::string>& units) { return run(call_all(client_of(units))); }

  asio::awaitable<Paths> call_all(net::HttpClientOptions options) {
    net::HttpClient client(home_, std::move(options));
    Paths paths;
    for (const auto& [method, path] : active_->routes()) {
      auto asking = is_refused(client, method, path);
      const bool refused = co_await std::move(asking);
      if (!refused) paths.insert(path);
    }
    co_return paths;
  }

  asio::awaitable<bool> is_refused(net::HttpClient& client, std::string method, std::string path) {
    net::HttpRequest request;
    request.method = method;
    request.target = path;
    auto opening = client.open(net::Endpoint::parse("https://" + address_), std::move(request));
    const auto response = co_await std::move(opening);
    if (path.starts_with("/v1/events")) {
      EXPECT_THAT(response->head().status, ::testing::AnyOf(200, 403)) << path;
      co_return response->head().status == 403;
    }
    EXPECT_EQ(response->head().status, 200) << path;
    EXPECT_EQ(response->head().headers.get("Content-Type"), "application/x-protobuf") << path;
    std::string body;
    char buffer[4096];
    for (;;) {
      const std::size_t n = co_await response->read_some(buffer);
      if (n == 0) break;
      body.append(buffer, n);
    }
    models::DomainsResponse decoded;  // every response has its error in field 1
    EXPECT_TRUE(decoded.ParseFromString(body)) << path;
    co_return decoded.error().type() ==
        models::Error::UnknownError&& decoded.error().message().ends_with(" may not call " + path);
  }
};

class OpenBbs : public BbsCallers {
 protected:
  OpenBbs() : BbsCallers(net::Authorization::kAny) {}
};

TEST_F(BbsCallers, EachRoleMayCallItsRoutesAndNoOther) {
  for (const Role role : models::all_roles()) {
    Paths wanted = paths_of(role);
    wanted.insert("/v1/ping");
    EXPECT_EQ(allowed({std::string(name_of(role))}), wanted) << name_of(role);
  }
}

TEST_F(BbsCallers, WithoutARoleOnlyPings) {
  EXPECT_EQ(allowed({}), Paths{"/v1/ping"});
  EXPECT_EQ(allowed({"department"}), Paths{"/v1/ping"});
  EXPECT_EQ(allowed({"app:1", "operator"}), Paths{"/v1/ping"});
}

TEST_F(BbsCallers, TheTableAndTheRoutesAreTheSame) {
  Paths served, named;
  for (const auto& [method, path] : active_->routes()) served.insert(path);
  for (const RouteCallers& row : route_callers()) EXPECT_TRUE(named.insert(std::string(row.path)).second) << row.path;
  EXPECT_EQ(served, named);
  EXPECT_THROW(callers_of("/v1/new"), std::logic_error);
}

TEST_F(BbsCallers, ARefusedRequestChangesNothing) {
  models::UpsertDomainRequest request;
  request.set_domain("d");
  models::UpsertDomainResponse response;
  ASSERT_TRUE(response.ParseFromString(post("/v1/domains/upsert", request.SerializeAsString()).body));
  EXPECT_EQ(response.error().message(), "CN=client may not call /v1/domains/upsert");
  auto look = [this]() -> asio::awaitable<std::string> {
    net::HttpClient client(home_, client_of({"operator"}));
    net::HttpRequest list;
    list.method = "POST";
    list.target = "/v1/domains/list";
    auto sending = client.send(net::Endpoint::parse("https://" + address_), std::move(list));
    const net::HttpResponse answer = co_await std::move(sending);
    co_return answer.body;
  };
  EXPECT_EQ(run(look()), "");
}

TEST_F(OpenBbs, EveryCertificateMayCallEveryRoute) {
  Paths served;
  for (const auto& [method, path] : active_->routes()) served.insert(path);
  EXPECT_EQ(allowed({}), served);
}

}  // namespace
}  // namespace rivera::bbs
