#include "routing/route_table.h"

#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace rivera::routing {
namespace {

using models::ActualLRP;

models::ModificationTag tag(std::uint32_t index, std::string epoch = "e") {
  models::ModificationTag t;
  t.set_epoch(std::move(epoch));
  t.set_index(index);
  return t;
}

DesiredRoutes desired(std::vector<std::string> hostnames, std::uint32_t tag_index = 1, int instances = 3) {
  DesiredRoutes d;
  d.process_guid = "p";
  d.domain = "d";
  d.log_guid = "log";
  d.instances = instances;
  d.modification_tag = tag(tag_index);
  for (auto& name : hostnames) {
    Route route;
    route.hostname = name;
    route.container_port = 8080;
    d.routes.push_back(route);
  }
  return d;
}

ActualLRP instance(int index, std::string guid, std::uint32_t host_port, std::uint32_t tag_index = 1) {
  ActualLRP lrp;
  lrp.mutable_actual_lrp_key()->set_process_guid("p");
  lrp.mutable_actual_lrp_key()->set_index(index);
  lrp.mutable_actual_lrp_instance_key()->set_instance_guid(std::move(guid));
  auto* net = lrp.mutable_actual_lrp_net_info();
  net->set_address("10.0.0.1");
  net->set_instance_address("10.255.0.1");
  auto* port = net->add_ports();
  port->set_container_port(8080);
  port->set_host_port(host_port);
  *lrp.mutable_modification_tag() = tag(tag_index, "a");
  lrp.set_state("RUNNING");
  lrp.set_since(1234);
  return lrp;
}

std::vector<std::string> text(const std::vector<RouteMessage>& messages) {
  std::vector<std::string> out;
  for (const auto& m : messages) {
    out.push_back(
        fmt::format("{}:{} {}", m.body.host, m.body.tls_port ? m.body.tls_port : m.body.port, m.body.uris.front()));
  }
  std::sort(out.begin(), out.end());
  return out;
}

using Texts = std::vector<std::string>;

TEST(RouteTable, RegistersAnInstanceThatStartsUnderEachOfItsRoutes) {
  RouteTable table(false);
  EXPECT_TRUE(table.set_routes(desired({"a", "b"})).empty());
  const auto changes = table.add_instance(instance(0, "i0", 61001));
  EXPECT_EQ(text(changes.registrations), (Texts{"10.0.0.1:61001 a", "10.0.0.1:61001 b"}));
  EXPECT_TRUE(changes.unregistrations.empty());
  const auto& body = changes.registrations[0].body;
  EXPECT_EQ(to_json(body),
            R"({"host":"10.0.0.1","port":61001,"uris":["a"],"app":"log","private_instance_id":"i0",)"
            R"("private_instance_index":"0","server_cert_domain_san":"i0","endpoint_updated_at_ns":1234,)"
            R"("tags":{"component":"route-emitter"}})");
}

TEST(RouteTable, LeavesTheTimeOutWhereOnlyTheRouteIsNew) {
  RouteTable table(false);
  table.add_instance(instance(0, "i0", 61001));
  const auto changes = table.set_routes(desired({"a"}));
  ASSERT_EQ(changes.registrations.size(), 1u);
  EXPECT_EQ(changes.registrations[0].body.endpoint_updated_at_ns, 0);
  table.for_each_registration([](const RouteMessage& m) { EXPECT_EQ(m.body.endpoint_updated_at_ns, 0); });
}

TEST(RouteTable, ReturnsNothingForARepeatedChange) {
  RouteTable table(false);
  table.set_routes(desired({"a"}));
  table.add_instance(instance(0, "i0", 61001));
  EXPECT_TRUE(table.add_instance(instance(0, "i0", 61001)).empty());
  EXPECT_TRUE(table.set_routes(desired({"a"})).empty());
  table.remove_instance(instance(0, "i0", 61001));
  EXPECT_TRUE(table.remove_instance(instance(0, "i0", 61001)).empty());
}

TEST(RouteTable, IgnoresOlderChanges) {
  RouteTable table(false);
  table.set_routes(desired({"a"}, 5));
  table.add_instance(instance(0, "i0", 61001, 5));
  EXPECT_TRUE(table.set_routes(desired({}, 4)).empty());
  EXPECT_TRUE(table.remove_routes("p", tag(4)).empty());
  EXPECT_TRUE(table.add_instance(instance(0, "i0", 61009, 4)).empty());
  EXPECT_TRUE(table.remove_instance(instance(0, "i0", 61001, 4)).empty());
  auto reborn = desired({"b"}, 0);
  reborn.modification_tag = tag(0, "another epoch");
  EXPECT_FALSE(table.set_routes(reborn).empty());
}

TEST(RouteTable, UnregistersRemovedRoutes) {
  RouteTable table(false);
  table.set_routes(desired({"a", "b"}));
  table.add_instance(instance(0, "i0", 61001));
  const auto changes = table.set_routes(desired({"b", "c"}, 2));
  EXPECT_EQ(text(changes.unregistrations), Texts{"10.0.0.1:61001 a"});
  EXPECT_EQ(text(changes.registrations), Texts{"10.0.0.1:61001 c"});
  EXPECT_EQ(text(table.remove_routes("p", tag(2)).unregistrations), (Texts{"10.0.0.1:61001 b", "10.0.0.1:61001 c"}));
  EXPECT_TRUE(table.set_routes(desired({"a"}, 2)).empty()) << "a late change of a removed process";
}

TEST(RouteTable, UnregistersInstancesAtOnceOnScaleDown) {
  RouteTable table(false);
  table.set_routes(desired({"a"}, 1, 3));
  for (int i = 0; i < 3; ++i)
    table.add_instance(instance(i, "i" + std::to_string(i), 61000u + static_cast<unsigned>(i)));
  EXPECT_EQ(text(table.set_routes(desired({"a"}, 2, 1)).unregistrations),
            (Texts{"10.0.0.1:61001 a", "10.0.0.1:61002 a"}));
  EXPECT_TRUE(table.add_instance(instance(2, "late", 61005)).empty());
  EXPECT_EQ(text(table.set_routes(desired({"a"}, 3, 0)).unregistrations), Texts{"10.0.0.1:61000 a"});
}

TEST(RouteTable, ReturnsNothingWhenAnInstanceStartsToEvacuate) {
  RouteTable table(false);
  table.set_routes(desired({"a"}));
  const auto ordinary = instance(0, "i0", 61001);
  table.add_instance(ordinary);
  auto evacuating = instance(0, "i0", 61001, 2);
  evacuating.set_presence(ActualLRP::EVACUATING);
  EXPECT_TRUE(table.add_instance(evacuating).empty());
  EXPECT_TRUE(table.remove_instance(ordinary).empty());
  EXPECT_EQ(text(table.add_instance(instance(0, "replacement", 61002)).registrations), Texts{"10.0.0.1:61002 a"});
  EXPECT_EQ(text(table.remove_instance(evacuating).unregistrations), Texts{"10.0.0.1:61001 a"});
}

TEST(RouteTable, ReplacesAnEndpointAtTheSameAddressWithoutUnregisteringIt) {
  RouteTable table(false);
  table.set_routes(desired({"a"}));
  table.add_instance(instance(0, "i0", 61001));
  auto moved = instance(0, "i0", 61001, 2);
  moved.set_availability_zone("z2");
  const auto changes = table.add_instance(moved);
  EXPECT_TRUE(changes.unregistrations.empty());
  ASSERT_EQ(changes.registrations.size(), 1u);
  EXPECT_EQ(changes.registrations[0].body.availability_zone, "z2");
  const auto elsewhere = table.add_instance(instance(0, "i0", 61007, 3));
  EXPECT_EQ(text(elsewhere.unregistrations), Texts{"10.0.0.1:61001 a"});
  EXPECT_EQ(text(elsewhere.registrations), Texts{"10.0.0.1:61007 a"});
}

TEST(RouteTable, KeepsAnAddressForTheInstanceThatReusesIt) {
  RouteTable table(false);
  table.set_routes(desired({"a"}));
  table.add_instance(instance(0, "old", 61001));
  const auto added = table.add_instance(instance(1, "new", 61001));
  EXPECT_EQ(added.collisions, Texts{"10.0.0.1:61001"});
  const auto removed = table.remove_instance(instance(0, "old", 61001));
  EXPECT_TRUE(removed.unregistrations.empty());
  ASSERT_EQ(removed.registrations.size(), 1u);
  EXPECT_EQ(removed.registrations[0].body.private_instance_id, "new");
}

TEST(RouteTable, ChoosesTheAddressFormByPreference) {
  auto direct = instance(0, "i0", 61001);
  direct.mutable_actual_lrp_net_info()->set_preferred_address(models::ActualLRPNetInfo::INSTANCE);
  direct.mutable_actual_lrp_net_info()->mutable_ports(0)->set_container_tls_proxy_port(61443);
  direct.mutable_actual_lrp_net_info()->mutable_ports(0)->set_host_tls_proxy_port(61014);
  auto host = direct;
  host.mutable_actual_lrp_net_info()->set_preferred_address(models::ActualLRPNetInfo::HOST);
  auto unknown = direct;
  unknown.mutable_actual_lrp_net_info()->set_preferred_address(models::ActualLRPNetInfo::UNKNOWN);
  const auto registered = [](bool direct_by_default, const ActualLRP& lrp) {
    RouteTable table(direct_by_default);
    table.set_routes(desired({"a"}));
    return table.add_instance(lrp).registrations.at(0).body;
  };
  EXPECT_EQ(registered(false, direct).host, "10.255.0.1");
  EXPECT_EQ(registered(false, direct).port, 8080);
  EXPECT_EQ(registered(false, direct).tls_port, 61443);
  EXPECT_EQ(registered(true, host).host, "10.0.0.1");
  EXPECT_EQ(registered(true, host).tls_port, 61014);
  EXPECT_EQ(registered(true, unknown).host, "10.255.0.1");
  EXPECT_EQ(registered(false, unknown).host, "10.0.0.1");
}

TEST(RouteTable, RegistersInternalRoutesByContainerAddressAndIndex) {
  RouteTable table(false);
  auto d = desired({});
  Route route;
  route.kind = Route::Kind::kInternal;
  route.hostname = "a.apps.internal";
  d.routes.push_back(route);
  table.set_routes(d);
  const auto changes = table.add_instance(instance(2, "i2", 61001));
  ASSERT_EQ(changes.registrations.size(), 1u);
  EXPECT_EQ(changes.registrations[0].kind, Route::Kind::kInternal);
  EXPECT_EQ(to_json(changes.registrations[0].body),
            R"({"host":"10.255.0.1","port":0,"uris":["a.apps.internal","2.a.apps.internal"],"app":"log",)"
            R"("private_instance_index":"2","endpoint_updated_at_ns":1234,"tags":{"component":"route-emitter"}})");
}

TEST(RouteTable, ResolvesMetricTags) {
  RouteTable table(false);
  auto d = desired({"a"});
  d.metric_tags["source_id"].set_static_("src");
  d.metric_tags["index"].set_dynamic(models::MetricTagValue::INDEX);
  d.metric_tags["instance"].set_dynamic(models::MetricTagValue::INSTANCE_GUID);
  table.set_routes(d);
  const auto body = table.add_instance(instance(2, "i2", 61001)).registrations.at(0).body;
  const std::map<std::string, std::string> expected = {
      {"component", "route-emitter"}, {"index", "2"}, {"instance", "i2"}, {"source_id", "src"}};
  EXPECT_EQ(body.tags, expected);
}

TEST(RouteTable, SwapsToAFetchAndKeepsRoutesOfDomainsThatAreNotFresh) {
  const auto table_with = [](std::vector<ActualLRP> instances, bool with_routes) {
    RouteTable table(false);
    if (with_routes) table.set_routes(desired({"a"}));
    for (const auto& lrp : instances) table.add_instance(lrp);
    return table;
  };
  for (const bool fresh : {true, false}) {
    RouteTable table = table_with({instance(0, "i0", 61000), instance(1, "i1", 61001)}, true);
    const std::set<std::string> domains = fresh ? std::set<std::string>{"d"} : std::set<std::string>{};
    const auto same =
        table.replace_with(table_with({instance(0, "i0", 61000), instance(2, "i2", 61002)}, true), domains);
    EXPECT_EQ(text(same.registrations), Texts{"10.0.0.1:61002 a"});
    EXPECT_EQ(text(same.unregistrations), Texts{"10.0.0.1:61001 a"});
    const auto lost = table.replace_with(table_with({instance(0, "i0", 61000)}, false), domains);
    EXPECT_EQ(text(lost.unregistrations),
              (fresh ? Texts{"10.0.0.1:61000 a", "10.0.0.1:61002 a"} : Texts{"10.0.0.1:61002 a"}));
    EXPECT_EQ(table.count(Route::Kind::kHttp), fresh ? 0u : 1u);
  }
}

// A router that applies all messages in order.
struct ObedientRouter {
  std::set<std::string> routes;
  void take(const RouteChanges& changes) {
    for (const auto& t : text(changes.unregistrations)) routes.erase(t);
    for (const auto& t : text(changes.registrations)) routes.insert(t);
  }
};

std::set<std::string> everything(const RouteTable& table) {
  std::vector<RouteMessage> all;
  table.for_each_registration([&](const RouteMessage& m) { all.push_back(m); });
  const auto texts = text(all);
  return {texts.begin(), texts.end()};
}

class RandomHistory {
 public:
  explicit RandomHistory(unsigned seed) : random_(seed) {}

  RouteChanges step(RouteTable& table) {
    switch (pick(6)) {
      case 0:
        return table.set_routes(any_routes());
      case 1:
        return table.remove_routes(process(), tag(pick(40)));
      case 2:
      case 3:
        return table.add_instance(any_instance());
      case 4:
        return table.remove_instance(any_instance());
      default:
        return table.replace_with(any_table(), pick(2) ? std::set<std::string>{"d"} : std::set<std::string>{});
    }
  }

 private:
  unsigned pick(unsigned n) { return static_cast<unsigned>(random_() % n); }
  std::string process() { return "p" + std::to_string(pick(3)); }

  DesiredRoutes any_routes() {
    std::vector<std::string> names;
    for (const char* name : {"a", "b", "c"}) {
      if (pick(2)) names.push_back(name);
    }
    auto d = desired(names, pick(40), static_cast<int>(pick(4)));
    d.process_guid = process();
    return d;
  }
  // Few guids and few addresses, so that they meet often.
  ActualLRP any_instance() {
    auto lrp = instance(static_cast<int>(pick(4)), "i" + std::to_string(pick(5)), 61000 + pick(3), pick(40));
    lrp.mutable_actual_lrp_key()->set_process_guid(process());
    if (pick(3) == 0) lrp.set_presence(ActualLRP::EVACUATING);
    return lrp;
  }
  RouteTable any_table() {
    RouteTable table(false);
    for (unsigned i = pick(4); i > 0; --i) table.set_routes(any_routes());
    for (unsigned i = pick(6); i > 0; --i) table.add_instance(any_instance());
    return table;
  }

  std::mt19937 random_;
};

TEST(RouteTable, KeepsARouterThatObeysInStepWithEverythingThereIs) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    RandomHistory history(seed);
    RouteTable table(false);
    ObedientRouter router;
    for (int i = 0; i < 100; ++i) {
      router.take(history.step(table));
      ASSERT_EQ(router.routes, everything(table)) << "seed " << seed << ", step " << i;
    }
  }
}

}  // namespace
}  // namespace rivera::routing
