#include "executor/container/container_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "executor/container/container_json.h"
#include "executor/container/errors.h"
#include "executor/container/resource_ledger.h"
#include "models/nouns/actions.h"
#include "models/testing/testing.h"

namespace rivera::executor {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;

Container a_container() {
  Container container;
  container.guid = "guid";
  container.resource = {.memory_mb = 128, .disk_mb = 64, .max_pids = 10};
  container.run_info.rootfs = "/rootfs";
  container.run_info.cpu_weight = 50;
  container.run_info.ports = {8080, 5000, 8080};
  container.run_info.network_properties = {{"my-key", "my-value"}};
  return container;
}

models::SecurityGroupRule a_rule(const std::string& protocol, std::vector<std::string> destinations) {
  models::SecurityGroupRule rule;
  rule.set_protocol(protocol);
  for (auto& destination : destinations) rule.add_destinations(std::move(destination));
  return rule;
}

TEST(ContainerSpec, HasTheLimitsMountsAndProperties) {
  const auto spec = container_spec(a_container(), {}, {}, {"X=1"}, 1000);
  EXPECT_EQ(spec.handle, "guid");
  EXPECT_EQ(spec.limits.memory.limit_in_bytes, 128u << 20);
  EXPECT_EQ(spec.limits.disk.byte_hard, (64u << 20) + 1000);
  EXPECT_FALSE(spec.limits.disk.exclusive_scope);
  EXPECT_EQ(spec.limits.pid.max, 10u);
  EXPECT_EQ(spec.limits.cpu.limit_in_shares, 512u);
  EXPECT_EQ(spec.properties.at("network.my-key"), "my-value");
  EXPECT_EQ(spec.properties.at("executor:owner"), "executor");
  EXPECT_THAT(spec.env, ElementsAre("X=1"));
  ASSERT_EQ(spec.netin.size(), 2u);
  EXPECT_EQ(spec.netin[0].container_port, 8080u);
  EXPECT_EQ(spec.netin[0].host_port, 0u);
}

TEST(ContainerSpec, HasNoDiskLimitForZero) {
  auto container = a_container();
  container.resource.disk_mb = 0;
  EXPECT_EQ(container_spec(container, {}, {}, {}, 1000).limits.disk.byte_hard, 0u);
}

TEST(ContainerSpec, EncodesTheLogConfigLikeUpstream) {
  EXPECT_EQ(log_config_property({.owner = "o", .guid = "g", .index = 1, .source_name = "APP", .tags = {}}),
            R"({"guid":"g","index":1,"source_name":"APP","tags":null})");
  EXPECT_EQ(log_config_property({.owner = "o", .guid = "g", .index = 1, .source_name = "APP", .tags = {{"k", "v"}}}),
            R"({"guid":"g","index":1,"source_name":"APP","tags":{"k":"v"}})");
}

TEST(Ports, AreMappedInOrderOncePerContainerPort) {
  EXPECT_EQ(port_mappings({8080, 5000, 8080}, {},
                          {{.host_port = 60002, .container_port = 5000}, {.host_port = 60001, .container_port = 8080}}),
            (std::vector<PortMapping>{{8080, 60001, 0, 0}, {5000, 60002, 0, 0}}));
  EXPECT_EQ(port_mappings({8080}, {}, {}), (std::vector<PortMapping>{{8080, 0, 0, 0}}));
}

TEST(ProxyPorts, AreTheFirstFreeOnesInOrder) {
  EXPECT_EQ(proxy_ports({8080, 5000, 8080}), (std::vector<ProxyPort>{{8080, 61001}, {8080, 61443}, {5000, 61002}}));
  EXPECT_EQ(proxy_ports({61002, 61001}), (std::vector<ProxyPort>{{61002, 61003}, {61001, 61004}}));
  EXPECT_THROW(proxy_ports({8080, 61443}), std::invalid_argument);
  const std::vector<garden::PortMapping> mapped = {{.host_port = 60001, .container_port = 8080},
                                                   {.host_port = 60002, .container_port = 61001}};
  EXPECT_EQ(port_mappings({8080}, proxy_ports({8080}), mapped),
            (std::vector<PortMapping>{{8080, 60001, 61001, 60002}, {8080, 60001, 61443, 0}}));
}

TEST(NetworkEnvironment, HasTheAddressesAndPorts) {
  auto container = a_container();
  container.external_ip = "10.0.0.1";
  container.internal_ip = "10.254.0.2";
  container.ports = {{8080, 60001, 0, 0}, {5000, 60002, 0, 0}};
  EXPECT_THAT(
      network_environment(container),
      ElementsAre("CF_INSTANCE_IP=10.0.0.1", "CF_INSTANCE_INTERNAL_IP=10.254.0.2", "CF_INSTANCE_PORT=60001",
                  "CF_INSTANCE_ADDR=10.0.0.1:60001",
                  R"(CF_INSTANCE_PORTS=[{"external":60001,"internal":8080},{"external":60002,"internal":5000}])"));
  container.ports.clear();
  EXPECT_THAT(network_environment(container),
              ElementsAre("CF_INSTANCE_IP=10.0.0.1", "CF_INSTANCE_INTERNAL_IP=10.254.0.2",
                          "CF_INSTANCE_PORT=", "CF_INSTANCE_ADDR=", "CF_INSTANCE_PORTS=[]"));
  container.ports = {{8080, 0, 61001, 60003}};
  EXPECT_THAT(
      network_environment(container),
      ElementsAre("CF_INSTANCE_IP=10.0.0.1", "CF_INSTANCE_INTERNAL_IP=10.254.0.2",
                  R"(CF_INSTANCE_PORTS=[{"internal":8080,"external_tls_proxy":60003,"internal_tls_proxy":61001}])"));
}

TEST(Egress, MakesOneRuleForEachDestination) {
  auto rule = a_rule("tcp", {"10.0.0.0/8", "1.2.3.4,5.6.7.8-5.6.7.10"});
  rule.add_ports(80);
  rule.add_ports(443);
  rule.set_log(true);
  const auto rules = net_out_rules({rule});
  ASSERT_EQ(rules.size(), 3u);
  EXPECT_EQ(rules[0].networks[0].start, "10.0.0.0");
  EXPECT_EQ(rules[0].networks[0].end, "10.255.255.255");
  EXPECT_EQ(rules[1].networks[0].start, "1.2.3.4");
  EXPECT_EQ(rules[1].networks[0].end, "1.2.3.4");
  EXPECT_EQ(rules[2].networks[0].end, "5.6.7.10");
  EXPECT_EQ(rules[2].ports.size(), 2u);
  EXPECT_TRUE(rules[2].log);
}

TEST(Egress, TakesIcmpWithItsCode) {
  auto rule = a_rule("icmp", {"0.0.0.0/0"});
  rule.mutable_icmp_info()->set_type(-1);
  rule.mutable_icmp_info()->set_code(-1);
  const auto rules = net_out_rules({rule});
  ASSERT_EQ(rules.size(), 1u);
  EXPECT_EQ(rules[0].protocol, garden::NetOutProtocol::kIcmp);
  EXPECT_EQ(rules[0].icmps->code, 255);
}

TEST(Egress, RefusesInvalidRules) {
  EXPECT_THROW(net_out_rules({a_rule("carrier-pigeon", {"1.2.3.4"})}), InvalidSecurityGroup);
  EXPECT_THROW(ip_range("somewhere"), std::invalid_argument);
  EXPECT_THROW(ip_range("1.2.3.4/99"), std::invalid_argument);
  EXPECT_EQ(ip_range("2001:db8::/126").end, "2001:db8::3");
}

TEST(ResourceLedger, RefusesToReserveLessThanNothing) {
  ResourceLedger ledger;
  ledger.set_total({.memory_mb = 100, .disk_mb = 100, .containers = 2});
  EXPECT_FALSE(ledger.reserve("a", {.memory_mb = -1, .disk_mb = 1}));
  EXPECT_FALSE(ledger.reserve("a", {.memory_mb = 1, .disk_mb = -1}));
  EXPECT_EQ(ledger.remaining().memory_mb, 100);
}

TEST(ResourceLedger, KeepsAccountsByGuid) {
  ResourceLedger ledger;
  ledger.set_total({.memory_mb = 100, .disk_mb = 100, .containers = 2});
  EXPECT_TRUE(ledger.reserve("a", {.memory_mb = 60, .disk_mb = 0}));
  EXPECT_FALSE(ledger.reserve("a", {.memory_mb = 1, .disk_mb = 1}));
  EXPECT_FALSE(ledger.reserve("b", {.memory_mb = 41, .disk_mb = 1}));
  EXPECT_TRUE(ledger.reserve("b", {.memory_mb = 40, .disk_mb = 1}));
  EXPECT_FALSE(ledger.reserve("c", {}));
  EXPECT_EQ(ledger.remaining(), (Resources{0, 99, 0}));
  ledger.release("a");
  ledger.release("a");
  EXPECT_EQ(ledger.remaining(), (Resources{60, 99, 1}));
}

TEST(Capacity, IsThatOfGardenUnlessConfigured) {
  const GardenCapacity garden{.memory_in_bytes = 2048ull << 20,
                              .disk_in_bytes = 1000ull << 20,
                              .schedulable_disk_in_bytes = 700ull << 20,
                              .max_containers = 250};
  EXPECT_EQ(total_resources({.memory_mb = "auto",
                             .disk_mb = "auto",
                             .max_cache_size_in_bytes = 100ull << 20,
                             .auto_disk_capacity_overhead_mb = 10},
                            garden),
            (Resources{2048, 890, 249}));
  EXPECT_EQ(total_resources({.memory_mb = "64",
                             .disk_mb = "auto",
                             .max_cache_size_in_bytes = 100ull << 20,
                             .auto_disk_capacity_overhead_mb = 10,
                             .use_schedulable_disk_size = true},
                            garden),
            (Resources{64, 690, 249}));
  EXPECT_THROW(total_resources({.memory_mb = "lots"}, garden), std::invalid_argument);
  EXPECT_THROW(total_resources({.memory_mb = "1", .disk_mb = "-1"}, garden), std::invalid_argument);
  EXPECT_THROW(total_resources({.max_cache_size_in_bytes = 2000ull << 20}, garden), std::invalid_argument);
}

TEST(ContainerRecord, SurvivesARoundTripThroughJson) {
  ContainerRecord record;
  auto& container = record.container;
  container = a_container();
  container.state = ContainerState::kRunning;
  container.tags = {{"lifecycle", "lrp"}};
  container.routable = true;
  container.allocated_at = 1'700'000'000'123'456'789;
  container.external_ip = "10.0.0.1";
  container.ports = {{8080, 60001, 61001, 60002}};
  container.run_result = {.failed = true, .failure_reason = "why", .retryable = true, .stopped = true};
  auto& info = container.run_info;
  info.action = models::testing::a_run_action("/bin/app");
  info.check_definition.emplace().add_checks()->mutable_tcp_check()->set_port(8080);
  info.start_timeout = std::chrono::milliseconds(5);
  info.log_config = {.owner = "o", .guid = "g", .index = 3, .source_name = "APP", .tags = {{"a", "b"}}};
  info.egress_rules = {a_rule("all", {"0.0.0.0/0"})};
  info.env.emplace_back().set_name("N");
  info.internal_routes = {"x.internal"};
  info.log_rate_limit_bytes_per_second = 7;
  record.cached_directories = {"/cache/x.d"};

  const auto read = record_from_json(to_json(record));
  EXPECT_EQ(to_json(read), to_json(record));
  EXPECT_EQ(read.container.run_info.action->run_action().path(), "/bin/app");
  EXPECT_EQ(read.container.run_info.start_timeout, std::chrono::milliseconds(5));
  EXPECT_EQ(read.container.ports, container.ports);
  EXPECT_EQ(read.container.run_result, container.run_result);
  EXPECT_FALSE(read.container.run_info.monitor);
  auto another = to_json(record);
  another.replace(another.find("\"format\":1"), 10, "\"format\":9");
  EXPECT_THROW(record_from_json(another), std::invalid_argument);
  EXPECT_THROW(record_from_json("{}"), std::invalid_argument);
  EXPECT_THROW(record_from_json("nonsense"), std::invalid_argument);
}

TEST(FailureReason, IsCutInItsMiddle) {
  EXPECT_EQ(truncated_failure_reason("short"), "short");
  const auto cut = truncated_failure_reason(std::string(6000, 'a') + std::string(6000, 'z'));
  EXPECT_LE(cut.size(), kFailureReasonLimit);
  EXPECT_TRUE(cut.starts_with("aaa"));
  EXPECT_TRUE(cut.ends_with("zzz"));
  EXPECT_NE(cut.find("\n... (truncated)\n"), std::string::npos);
}

}  // namespace
}  // namespace rivera::executor
