// Changes of the containers' network by other processes are undone. In a network namespace of the test's own.
#include <filesystem>

#include <gtest/gtest.h>

#include "base/process/subprocess.h"
#include "garden/firewall/restore_pace.h"
#include "garden/testing/isolated_network.h"
#include "garden/testing/network_calls.h"

namespace rivera::garden {

namespace api = clients::garden;

namespace {

TEST(RestorePace, IsAtOnceThenSlowerAndAtOnceAgain) {
  using namespace std::chrono_literals;
  RestorePace pace;
  RestorePace::Time now{};
  EXPECT_EQ(pace.pause(now), 0ns);
  EXPECT_EQ(pace.pause(now), 250ms);
  EXPECT_EQ(pace.pause(now + 1s), 500ms);
  for (int i = 0; i < 20; ++i) EXPECT_LE(pace.pause(now + 2s), 30s);
  EXPECT_EQ(pace.pause(now + 3s), 30s);
  EXPECT_EQ(pace.pause(now + 10min), 0ns);
}

class Restoring : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string obstacle = TestGarden::obstacle();
    if (!obstacle.empty()) GTEST_FAIL() << obstacle;
    network_.emplace();
    garden_ = std::make_unique<TestGarden>();
    api::ContainerSpec spec;
    spec.handle = "served";
    spec.netin = {{0, 8080}};
    garden_->create(spec);
    server_ = serve(*garden_, "served");
    info_ = garden_->await(garden_->client().info("served"));
    ASSERT_TRUE(answers());
  }
  // On the mapped port, from outside as it were.
  bool answers() {
    return garden_->eventually(
        [this] { return fetch(*garden_, info_.external_ip, info_.mapped_ports.at(0).host_port) == "served\n"; });
  }
  std::string log() const { return base::read_file(garden_->directory() + "/garden.log"); }
  std::string table() const { return "rivera_garden_" + garden_->options().tag; }
  std::string property(const std::string& name) { return info_.properties.at("kawasaki." + name); }
  static void break_by(std::vector<std::string> command) { base::must_run(command); }
  // Also by a new container, which needs all of it.
  void expect_restored(const std::string& message) {
    EXPECT_TRUE(garden_->eventually([&] { return log().find(message) != std::string::npos; })) << log();
    EXPECT_TRUE(answers()) << log();
    garden_->create_named("another");
    EXPECT_EQ(garden_->run("another", "nc -w 5 " + info_.container_ip + " 8080 < /dev/null").output, "served\n");
  }

  std::optional<IsolatedNetwork> network_;
  std::unique_ptr<TestGarden> garden_;
  std::unique_ptr<RunningProcess> server_;
  api::ContainerInfo info_;
};

TEST_F(Restoring, AllRulesAfterAFlush) {
  break_by({"nft", "flush", "ruleset"});
  expect_restored("firewall.restored");
  EXPECT_NE(log().find("\"process\":\"nft\""), std::string::npos);
}

TEST_F(Restoring, ADeletedTable) {
  break_by({"nft", "delete", "table", "ip", table()});
  expect_restored("firewall.restored");
}

TEST_F(Restoring, TheTableThatHoldsContainersToTheirAddresses) {
  break_by({"nft", "delete", "table", "bridge", table()});
  expect_restored("firewall.restored");
  EXPECT_NE(base::must_run({"nft", "list", "table", "bridge", table()}).find(property("host-interface")),
            std::string::npos);
}

TEST_F(Restoring, ASingleElement) {
  break_by({"nft", "flush", "map", "ip", table(), "ports"});
  expect_restored("firewall.restored");
}

// The rule that the request adds has no table at that moment, whether the watch or the request notices first.
TEST_F(Restoring, TheTableOnceARequestNeedsIt) {
  for (int i = 0; i < 5; ++i) {
    break_by({"nft", "delete", "table", "ip", table()});
    const auto port = garden_->await(garden_->client().net_in("served", 0, 8080));
    EXPECT_TRUE(garden_->eventually([&] { return fetch(*garden_, info_.external_ip, port.host_port) == "served\n"; }));
  }
}

TEST_F(Restoring, ADeletedBridge) {
  break_by({"ip", "link", "del", property("bridge-interface")});
  expect_restored("network.bridge-restored");
}

TEST_F(Restoring, ABridgesAddress) {
  break_by({"ip", "addr", "flush", "dev", property("bridge-interface")});
  expect_restored("network.bridge-restored");
}

TEST_F(Restoring, ABridgesSettings) {
  const std::string bridge = property("bridge-interface"), ipv6 = "/proc/sys/net/ipv6/conf/" + bridge + "/disable_ipv6",
                    local = "/proc/sys/net/ipv4/conf/" + bridge + "/route_localnet";
  break_by({"sh", "-c", "echo 0 > " + local + "; test ! -e " + ipv6 + " || echo 0 > " + ipv6});
  expect_restored("network.bridge-restored");
  EXPECT_EQ(base::read_file(local), "1\n");
  std::error_code ec;
  EXPECT_TRUE(!std::filesystem::exists(ipv6, ec) || base::read_file(ipv6) == "1\n");
}

TEST_F(Restoring, AHostEndsSettings) {
  const std::string file = "/proc/sys/net/ipv6/conf/" + property("host-interface") + "/disable_ipv6";
  std::error_code ec;
  ASSERT_TRUE(std::filesystem::exists(file, ec)) << "this kernel has no IPv6";
  break_by({"sh", "-c", "echo 0 > " + file});
  expect_restored("network.host-end-restored");
  EXPECT_EQ(base::read_file(file), "1\n");
}

TEST_F(Restoring, AHostEndThatIsDown) {
  break_by({"ip", "link", "set", property("host-interface"), "down"});
  expect_restored("network.host-end-restored");
}

TEST_F(Restoring, ADetachedHostEnd) {
  break_by({"ip", "link", "set", property("host-interface"), "nomaster"});
  expect_restored("network.host-end-restored");
}

TEST_F(Restoring, ADeletedHostEnd) {
  break_by({"ip", "link", "del", property("host-interface")});
  expect_restored("network.host-end-restored");
}

TEST_F(Restoring, Forwarding) {
  break_by({"sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward"});
  EXPECT_TRUE(garden_->eventually([] { return base::read_file("/proc/sys/net/ipv4/ip_forward") == "1\n"; }));
  garden_->create_named("another");
  EXPECT_EQ(garden_->run("another", "nc -w 5 " + info_.container_ip + " 8080 < /dev/null").output, "served\n");
}

TEST_F(Restoring, IsNotAnsweredByTheNextServerWithAnotherTag) {
  TestGarden other;
  api::ContainerSpec spec;
  spec.netin = {{0, 8080}};
  other.create(spec);
  EXPECT_EQ(log().find("firewall.restored"), std::string::npos);
  EXPECT_TRUE(answers());
}

}  // namespace
}  // namespace rivera::garden
