// Containers that a network plugin connects.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/process/subprocess.h"
#include "garden/plugins/network_plugin.h"
#include "garden/testing/fake_plugin.h"
#include "garden/testing/test_garden.h"

namespace rivera::garden {

namespace api = clients::garden;

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string network_failure_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const api::GardenError& e) {
    return e.what();
  }
  return "no failure";
}

TEST(NetworkPlugin, IsCalledWithItsArgumentsAndAnswers) {
  FakePlugin fake;
  const NetworkPlugin plugin(fake.program(), {"--config", "c.json"}, base::Logger::discard());
  EXPECT_TRUE(plugin.run("down", "h", nullptr).is_null()) << "no answer";
  fake.answer("up", R"({"properties":{"a":"b"}})");
  EXPECT_EQ(plugin.run("up", "h", boost::json::object{{"Pid", 1}}).at("properties").at("a"), "b");
  EXPECT_THAT(fake.calls(), ElementsAre("--config c.json --action down --handle h|null",
                                        R"(--config c.json --action up --handle h|{"Pid":1})"));
}

TEST(NetworkPlugin, FailuresNameTheActionAndHowItEnded) {
  FakePlugin fake;
  const NetworkPlugin plugin(fake.program(), {}, base::Logger::discard());
  fake.fail("up", "irrelevant");
  EXPECT_EQ(network_failure_of([&] { plugin.run("up", "h", nullptr); }),
            "external networker encountered an error running 'up' action: exit status 3");
  fake.answer("up", "{");
  EXPECT_THAT(network_failure_of([&] { plugin.run("up", "h", nullptr); }),
              ::testing::StartsWith("unmarshaling result from external networker: "));
  const NetworkPlugin missing("/nonexistent/plugin", {}, base::Logger::discard());
  EXPECT_THAT(network_failure_of([&] { missing.run("up", "h", nullptr); }), HasSubstr("running 'up' action"));
}

class PluginNetwork : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string obstacle = TestGarden::obstacle();
    if (!obstacle.empty()) GTEST_FAIL() << obstacle;
  }
  void start(std::vector<std::string> flags = {}) {
    flags.insert(flags.end(), {"--network-plugin", fake_.program(), "--network-plugin-extra-arg", "extra",
                               "--external-ip", "192.0.2.1"});
    garden_ = std::make_unique<TestGarden>(std::move(flags));
  }
  clients::GardenClient& client() { return garden_->client(); }
  // The calls since the last time.
  std::vector<std::string> new_calls() {
    auto all = fake_.calls();
    all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::exchange(seen_, all.size())));
    return all;
  }

  FakePlugin fake_;
  std::unique_ptr<TestGarden> garden_;
  std::size_t seen_ = 0;
};

TEST_F(PluginNetwork, IsMadeUsedAndRemovedByThePlugin) {
  fake_.answer("up", R"({"Properties":{"garden.network.container-ip":"10.255.0.2","garden.network.host-ip":"10.255.0.1",
"garden.network.mapped-ports":"[{\"HostPort\":61001,\"ContainerPort\":8080}]","own":"kept"},
"dns_servers":["192.0.2.53"],"search_domains":["a.example","b.example"]})");
  fake_.answer("net-in", R"({"host_port":61002,"container_port":9090})");
  start({"--additional-host-entry", "192.0.2.7 seven"});
  api::ContainerSpec spec;
  spec.handle = "h";
  spec.properties = {{"network.app_id", "guid"}, {"log_config", "{}"}, {"other", "x"}};
  spec.netin = {{0, 8080}};
  spec.netout_rules.resize(1);
  spec.netout_rules[0].networks = {{"1.1.1.1", "1.1.1.9"}};
  garden_->create(spec);
  const std::string pid = base::read_file(garden_->depot() + "/h/pidfile");
  EXPECT_THAT(
      new_calls(),
      ElementsAre(
          "extra --action up --handle h|{\"Pid\":" + pid +
          R"(,"Properties":{"log_config":"{}","app_id":"guid"},"netout_rules":[{"networks":[{"start":"1.1.1.1","end":"1.1.1.9"}]}],"netin":[{"host_port":0,"container_port":8080}]})"));

  const auto info = garden_->await(client().info("h"));
  EXPECT_EQ(info.container_ip, "10.255.0.2");
  EXPECT_EQ(info.host_ip, "10.255.0.1");
  EXPECT_EQ(info.external_ip, "192.0.2.1");
  EXPECT_EQ(info.mapped_ports, (std::vector<api::PortMapping>{{61001, 8080}}));
  EXPECT_EQ(info.properties.at("own"), "kept");
  EXPECT_EQ(garden_->run("h", "cat /etc/resolv.conf").output, "nameserver 192.0.2.53\nsearch a.example b.example\n");
  EXPECT_EQ(garden_->run("h", "cat /etc/hosts").output, "127.0.0.1 localhost\n10.255.0.2 h\n");
  EXPECT_EQ(garden_->run("h", "echo more >> /etc/hosts").status, 0);

  EXPECT_EQ(garden_->await(client().net_in("h", 0, 9090)), (api::PortMapping{61002, 9090}));
  EXPECT_EQ(garden_->await(client().info("h")).mapped_ports,
            (std::vector<api::PortMapping>{{61001, 8080}, {61002, 9090}}));
  garden_->await(client().net_out("h", spec.netout_rules[0]));
  garden_->await(client().bulk_net_out("h", spec.netout_rules));
  const std::string rule = R"({"networks":[{"start":"1.1.1.1","end":"1.1.1.9"}]})";
  EXPECT_THAT(
      new_calls(),
      ElementsAre(
          R"(extra --action net-in --handle h|{"HostIP":"192.0.2.1","HostPort":0,"ContainerIP":"10.255.0.2","ContainerPort":9090})",
          R"(extra --action net-out --handle h|{"container_ip":"10.255.0.2","netout_rule":)" + rule + "}",
          R"(extra --action bulk-net-out --handle h|{"container_ip":"10.255.0.2","netout_rules":[)" + rule + "]}"));

  garden_->kill();
  garden_->start();
  EXPECT_THAT(new_calls(), ElementsAre()) << "a restart is none of the plugin's business";
  EXPECT_EQ(garden_->await(client().info("h")).mapped_ports.size(), 2u);
  garden_->await(client().destroy("h"));
  EXPECT_THAT(new_calls(), ElementsAre("extra --action down --handle h|null"));
  EXPECT_EQ(garden_->await(client().capacity()).max_containers, std::numeric_limits<std::uint64_t>::max());
}

TEST_F(PluginNetwork, OfAContainerWithoutAddressTakesNoPortsAndRules) {
  start();
  garden_->create_named("h");
  EXPECT_EQ(network_failure_of([&] { garden_->await(client().net_in("h", 0, 1)); }), "cannot find container [h]\n");
  EXPECT_EQ(network_failure_of([&] { garden_->await(client().net_out("h", {})); }), "cannot find container [h]\n");
  EXPECT_EQ(garden_->run("h", "cat /etc/resolv.conf").output, "");
  EXPECT_TRUE(garden_->await(client().info("h")).mapped_ports.empty());
}

TEST_F(PluginNetwork, ThatFailsUndoesTheContainer) {
  fake_.fail("up", "");
  start();
  api::ContainerSpec spec;
  spec.handle = "h";
  EXPECT_EQ(network_failure_of([&] { garden_->create(spec); }),
            "external networker encountered an error running 'up' action: exit status 3");
  EXPECT_EQ(fake_.calls().back(), "extra --action down --handle h|null");
  fake_.answer("up", "");
  fake_.fail("down", "");
  garden_->create_named("other");
  EXPECT_EQ(network_failure_of([&] { garden_->await(client().destroy("other")); }),
            "1 error occurred:\n\t* external networker encountered an error running 'down' action: exit status 3\n\n");
  fake_.answer("down", "");
  EXPECT_TRUE(garden_->eventually([&] {
    return network_failure_of([&] { garden_->await(client().destroy("other")); }).find("running") == std::string::npos;
  }));
}

TEST_F(PluginNetwork, MetricsAreOfTheInterfaceThatItNames) {
  fake_.answer("up", R"({"properties":{"garden.network.interface":"lo"}})");
  start({"--enable-container-network-metrics"});
  garden_->create_named("h");
  const auto metrics = garden_->await(client().metrics("h"));
  EXPECT_TRUE(metrics.network);
  fake_.answer("up", R"({"properties":{"garden.network.interface":"missing"}})");
  garden_->create_named("other");
  EXPECT_FALSE(garden_->await(client().metrics("other")).network);
}

}  // namespace
}  // namespace rivera::garden
