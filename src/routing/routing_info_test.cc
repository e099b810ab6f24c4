#include "routing/routing_info.h"

#include <gtest/gtest.h>

namespace rivera::routing {
namespace {

models::DesiredLRP with_routes(const std::string& key, const std::string& document) {
  models::DesiredLRP lrp;
  lrp.set_process_guid("p");
  lrp.set_log_guid("log");
  lrp.set_instances(2);
  (*lrp.mutable_routes()->mutable_routes())[key] = document;
  return lrp;
}

TEST(RoutingInfo, ReadsEachHostnameOfAnHttpRoute) {
  const auto desired = desired_routes_of(with_routes("cf-router", R"([
    {"hostnames":["a.example.com","*.b.example.com/path"],"port":8080,"route_service_url":"https://rs",
     "isolation_segment":"seg","protocol":"http2","options":{"loadbalancing":"least-connection"}},
    {"hostnames":["c"],"port":9090}])"));
  ASSERT_EQ(desired.routes.size(), 3u);
  EXPECT_EQ(desired.routes[0].hostname, "a.example.com");
  EXPECT_EQ(desired.routes[0].container_port, 8080u);
  EXPECT_EQ(desired.routes[0].isolation_segment, "seg");
  EXPECT_EQ(desired.routes[0].protocol, "http2");
  EXPECT_EQ(desired.routes[0].options, R"({"loadbalancing":"least-connection"})");
  EXPECT_EQ(desired.routes[1].hostname, "*.b.example.com/path");
  EXPECT_EQ(desired.routes[2].container_port, 9090u);
  EXPECT_EQ(desired.routes[2].options, "");
  EXPECT_EQ(desired.instances, 2);
}

TEST(RoutingInfo, ReadsTcpAndInternalRoutes) {
  const auto tcp = desired_routes_of(
      with_routes("tcp-router", R"([{"router_group_guid":"g","external_port":1024,"container_port":80}])"));
  ASSERT_EQ(tcp.routes.size(), 1u);
  EXPECT_EQ(tcp.routes[0].kind, Route::Kind::kTcp);
  EXPECT_EQ(tcp.routes[0].external_port, 1024u);
  const auto internal = desired_routes_of(with_routes("internal-router", R"([{"hostname":"a.apps.internal"}])"));
  ASSERT_EQ(internal.routes.size(), 1u);
  EXPECT_EQ(internal.routes[0].kind, Route::Kind::kInternal);
  EXPECT_EQ(internal.routes[0].container_port, 0u);
}

TEST(RoutingInfo, TakesAMalformedDocumentAsAbsentAndNamesIt) {
  for (const char* bad :
       {"{", "{}", "7", R"(["a"])", R"([{"hostnames":"a"}])", R"([{"hostnames":[1]}])", R"([{"port":"x"}])",
        R"([{"port":-1}])", R"([{"port":4294967296}])", R"([{"hostnames":["a"],"options":[]}])"}) {
    std::vector<std::string> malformed;
    const auto desired = desired_routes_of(with_routes("cf-router", bad), &malformed);
    EXPECT_TRUE(desired.routes.empty()) << bad;
    EXPECT_EQ(malformed, std::vector<std::string>{"cf-router"}) << bad;
  }
}

TEST(RoutingInfo, TakesNullAndEmptyDocumentsAsNoRoutes) {
  for (const char* none : {"", "null", "[]", R"([{"port":8080}])", R"([{"hostnames":null}])"}) {
    std::vector<std::string> malformed;
    EXPECT_TRUE(desired_routes_of(with_routes("cf-router", none), &malformed).routes.empty()) << none;
    EXPECT_TRUE(malformed.empty()) << none;
  }
}

TEST(RoutingInfo, NamesEachRouteOnce) {
  const auto desired =
      desired_routes_of(with_routes("cf-router", R"([{"hostnames":["a","a"],"port":1},{"hostnames":["a"],"port":1}])"));
  EXPECT_EQ(desired.routes.size(), 1u);
}

}  // namespace
}  // namespace rivera::routing
