// The network of real containers.
#include <arpa/inet.h>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/process/subprocess.h"
#include "garden/testing/isolated_network.h"
#include "garden/testing/network_calls.h"

namespace rivera::garden {

namespace api = clients::garden;

namespace {

class Network : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string obstacle = TestGarden::obstacle();
    if (!obstacle.empty()) GTEST_FAIL() << obstacle;
  }
  void start(std::vector<std::string> flags = {}) { garden_ = std::make_unique<TestGarden>(std::move(flags)); }
  clients::GardenClient& client() { return garden_->client(); }

  std::string fetch(const std::string& host, std::uint32_t port) { return garden::fetch(*garden_, host, port); }
  std::unique_ptr<RunningProcess> serve(const std::string& handle) { return garden::serve(*garden_, handle); }

  const base::TemporaryDirectory directory_;
  std::optional<IsolatedNetwork> network_;  // of tests that need one
  std::unique_ptr<TestGarden> garden_;
};

TEST_F(Network, AMappedPortIsReachedThroughEveryAddressOfTheHost) {
  start();
  api::ContainerSpec spec;
  spec.netin = {{0, 8080}};
  const auto handle = garden_->create(spec);
  const auto server = serve(handle);
  const auto info = garden_->await(client().info(handle));
  ASSERT_EQ(info.mapped_ports.size(), 1u);
  const auto port = info.mapped_ports[0].host_port;
  for (const std::string& address : {info.external_ip, std::string("127.0.0.1"), info.host_ip}) {
    EXPECT_TRUE(garden_->eventually([&] { return fetch(address, port) == "served\n"; }))
        << address << ": " << fetch(address, port);
  }
  EXPECT_TRUE(garden_->eventually([&] { return fetch(info.container_ip, 8080) == "served\n"; }));
}

TEST_F(Network, APortCanBeMappedLater) {
  start();
  const auto handle = garden_->create();
  const auto server = serve(handle);
  const auto port = garden_->await(client().net_in(handle, 0, 8080));
  EXPECT_TRUE(garden_->eventually([&] { return fetch("127.0.0.1", port.host_port) == "served\n"; }));
  EXPECT_EQ(garden_->await(client().info(handle)).mapped_ports, std::vector<api::PortMapping>{port});
  garden_->kill();
  garden_->start();
  EXPECT_TRUE(garden_->eventually([&] { return fetch("127.0.0.1", port.host_port) == "served\n"; }));
}

TEST_F(Network, ContainersReachOneAnotherAndTheirOwnMappedPort) {
  start();
  api::ContainerSpec spec;
  spec.handle = "server";
  spec.netin = {{0, 8080}};
  garden_->create(spec);
  garden_->create_named("caller");
  const auto server = serve("server");
  const auto info = garden_->await(client().info("server"));
  const auto call = [&](const std::string& handle, const std::string& host, std::uint32_t port) {
    return garden_->run(handle, "nc -w 2 " + host + " " + std::to_string(port) + " < /dev/null").output;
  };
  EXPECT_TRUE(garden_->eventually([&] { return call("caller", info.container_ip, 8080) == "served\n"; }));
  const auto port = info.mapped_ports[0].host_port;
  EXPECT_TRUE(garden_->eventually([&] { return call("caller", info.external_ip, port) == "served\n"; }));
  EXPECT_TRUE(garden_->eventually([&] { return call("server", info.external_ip, port) == "served\n"; }));
}

TEST_F(Network, TheHostItselfIsClosedToContainers) {
  start();
  const auto handle = garden_->create();
  // One that closes what it accepts: to connect is enough.
  auto host = base::UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  ASSERT_EQ(::bind(host.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(host.get(), 5), 0);
  socklen_t length = sizeof address;
  ::getsockname(host.get(), reinterpret_cast<sockaddr*>(&address), &length);
  const auto info = garden_->await(client().info(handle));
  for (const std::string& ip : {info.host_ip, info.external_ip}) {
    const std::string call = "nc -w 2 " + ip + " " + std::to_string(ntohs(address.sin_port)) + " < /dev/null 2>&1";
    EXPECT_NE(garden_->run(handle, call).output.find("nc: "), std::string::npos) << ip;
  }
}

TEST_F(Network, DeniedNetworksAreOpenedByRules) {
  start({"--deny-network", "10.251.0.0/16"});
  garden_->create_named("server");
  garden_->create_named("caller");
  const auto server = serve("server");
  const auto info = garden_->await(client().info("server"));
  const auto call = [&] { return garden_->run("caller", "nc -w 2 " + info.container_ip + " 8080 < /dev/null").output; };
  EXPECT_TRUE(garden_->eventually([&] { return fetch(info.container_ip, 8080) == "served\n"; }));
  EXPECT_EQ(call(), "");
  api::NetOutRule rule;
  rule.protocol = api::NetOutProtocol::kTcp;
  rule.networks = {{info.container_ip, info.container_ip}};
  rule.ports = {{8000, 8100}};
  garden_->await(client().bulk_net_out("caller", {rule}));
  EXPECT_TRUE(garden_->eventually([&] { return call() == "served\n"; }));
  garden_->kill();
  garden_->start();
  EXPECT_TRUE(garden_->eventually([&] { return call() == "served\n"; }));
  rule.protocol = api::NetOutProtocol::kAll;
  EXPECT_THROW(garden_->await(client().net_out("caller", rule)), api::GardenError);
}

TEST_F(Network, NamesAreInTheHostsFile) {
  start({"--dns-server", "192.0.2.53", "--additional-host-entry", "192.0.2.7 seven"});
  const auto handle = garden_->create();
  const auto info = garden_->await(client().info(handle));
  EXPECT_EQ(garden_->run(handle, "cat /etc/hosts").output,
            "127.0.0.1 localhost\n" + info.container_ip + " " + handle + "\n192.0.2.7 seven\n");
  EXPECT_EQ(garden_->run(handle, "cat /etc/resolv.conf").output, "nameserver 192.0.2.53\n");
  EXPECT_EQ(garden_->run(handle, "echo 192.0.2.8 eight >> /etc/hosts").status, 0);
}

TEST_F(Network, AHostPortThatTwoAskForIsTheFirstOnesWhileItLives) {
  start();
  api::ContainerSpec spec;
  spec.netin = {{35001, 8080}};
  spec.handle = "first";
  garden_->create(spec);
  spec.handle = "second";
  spec.netin = {{35001, 8081}};
  garden_->create(spec);
  const auto server = serve("first");
  const auto other = garden_->begin("second", shell("while true; do echo second | nc -l -p 8081; done"));
  const std::string host = garden_->await(client().info("first")).external_ip;
  EXPECT_TRUE(garden_->eventually([&] { return fetch(host, 35001) == "served\n"; })) << fetch(host, 35001);
  garden_->kill();
  garden_->start();
  EXPECT_TRUE(garden_->eventually([&] { return fetch(host, 35001) == "served\n"; })) << fetch(host, 35001);
  garden_->await(client().destroy("first"));
  EXPECT_TRUE(garden_->eventually([&] { return fetch(host, 35001) == "second\n"; })) << fetch(host, 35001);
  EXPECT_EQ(garden_->await(client().info("second")).mapped_ports, (std::vector<api::PortMapping>{{35001, 8081}}));
}

TEST_F(Network, PortsThatDoNotExistAreRefused) {
  start();
  api::ContainerSpec spec;
  spec.netin = {{70000, 8080}};
  EXPECT_THROW(garden_->create(spec), api::GardenError);
  const auto handle = garden_->create();
  EXPECT_THROW(garden_->await(client().net_in(handle, 0, 65536)), api::GardenError);
  EXPECT_TRUE(garden_->await(client().info(handle)).mapped_ports.empty());
}

TEST_F(Network, RulesOfCallsAtOnceAreAllKept) {
  start({"--deny-network", "0.0.0.0/0"});
  garden_->create_named("server");
  garden_->create_named("caller");
  const auto server = serve("server");
  const std::string ip = garden_->await(client().info("server")).container_ip;
  int done = 0;
  for (std::uint16_t i = 0; i < 20; ++i) {
    api::NetOutRule rule;
    rule.protocol = api::NetOutProtocol::kTcp;
    rule.networks = {{ip, ip}};
    rule.ports = {{static_cast<std::uint16_t>(8070 + i), static_cast<std::uint16_t>(8070 + i)}};
    rule.log = i == 0;
    asio::co_spawn(garden_->context(), client().net_out("caller", rule), [&done](std::exception_ptr e) {
      EXPECT_FALSE(e);
      ++done;
    });
  }
  ASSERT_TRUE(garden_->eventually([&] { return done == 20; }));
  const auto rules = [&] {
    const std::string text = base::must_run({"nft", "list", "table", "ip", "rivera_garden_" + garden_->options().tag});
    int count = 0;
    for (int i = 0; i < 20; ++i) count += text.find("tcp dport " + std::to_string(8070 + i) + " ") != std::string::npos;
    return count;
  };
  EXPECT_EQ(rules(), 20);
  EXPECT_TRUE(garden_->eventually([&] { return call(*garden_, "caller", ip, 8080) == "served\n"; }));
  garden_->kill();
  garden_->start();
  EXPECT_EQ(rules(), 20);
}

TEST_F(Network, HundredsOfRulesComeWithAContainer) {
  start({"--deny-network", "0.0.0.0/0"});
  garden_->create_named("server");
  const auto server = serve("server");
  const std::string ip = garden_->await(client().info("server")).container_ip;
  api::ContainerSpec spec;
  spec.handle = "caller";
  for (std::uint16_t i = 0; i < 500; ++i) {
    auto& rule = spec.netout_rules.emplace_back();
    rule.protocol = api::NetOutProtocol::kTcp;
    rule.networks = {{"192.0.2.0", "192.0.2.255"}, {ip, ""}};
    rule.ports = {{static_cast<std::uint16_t>(8080 + i), static_cast<std::uint16_t>(8080 + i)}};
  }
  garden_->create(spec);
  EXPECT_TRUE(garden_->eventually([&] { return call(*garden_, "caller", ip, 8080) == "served\n"; }));
  spec.handle = "another";
  spec.netout_rules[0].networks[0] = {"2001:db8::1", ""};
  EXPECT_THROW(garden_->create(spec), api::GardenError);
  EXPECT_THAT(garden_->await(client().containers({{"garden.state", "all"}})), ::testing::SizeIs(2));
}

TEST_F(Network, MetricsAreAsTheContainerSeesThem) {
  start({"--enable-container-network-metrics"});
  api::ContainerSpec spec;
  spec.netin = {{0, 8080}};
  spec.handle = "h";
  garden_->create(spec);
  spec.handle = "check";
  spec.properties = {{"network.healthcheck", "true"}};
  garden_->create(spec);
  const auto sender = garden_->begin("h", shell("head -c 300000 /dev/zero | nc -l -p 8080"));
  const auto info = garden_->await(client().info("h"));
  std::optional<api::NetworkStat> network;
  EXPECT_TRUE(garden_->eventually([&] {
    fetch(info.external_ip, info.mapped_ports.at(0).host_port);
    network = garden_->await(client().metrics("h")).network;
    return network && network->tx_bytes > 20000;
  }));
  ASSERT_TRUE(network);
  EXPECT_LT(network->rx_bytes, network->tx_bytes);
  EXPECT_FALSE(garden_->await(client().metrics("check")).network);
}

TEST_F(Network, PortsAreGivenInTurnAcrossRestarts) {
  const std::string file = (directory_.path() / "ports.json").string();
  start({"--port-pool-properties-path", file});
  api::ContainerSpec spec;
  spec.netin = {{0, 0}};
  const auto port_of_new = [&] {
    const auto handle = garden_->create(spec);
    const auto ports = garden_->await(client().info(handle)).mapped_ports;
    garden_->await(client().destroy(handle));
    EXPECT_EQ(ports.at(0).host_port, ports.at(0).container_port);
    return ports.at(0).host_port;
  };
  const std::uint32_t first = port_of_new();
  EXPECT_EQ(port_of_new(), first + 1);
  garden_->terminate();
  EXPECT_EQ(base::read_file(file), "{\"offset\":2}\n");
  garden_->start();
  EXPECT_EQ(port_of_new(), first + 2);
}

TEST_F(Network, OneContainerCannotUseUpTheConnectionsOfOthers) {
  network_.emplace();
  start({"--container-connection-limit", "100"});
  api::ContainerSpec spec;
  spec.netin = {{0, 8080}};
  spec.handle = "server";
  garden_->create(spec);
  garden_->create_named("flooder");
  garden_->create_named("other");
  const auto server = serve("server");
  const auto info = garden_->await(client().info("server"));
  const auto calls = [&](const std::string& handle) { return call(*garden_, handle, info.container_ip, 8080); };
  EXPECT_TRUE(garden_->eventually([&] { return calls("flooder") == "served\n"; }));
  // To where no answer comes from: the kernel remembers each for two minutes.
  garden_->run("flooder", "for i in $(seq 1 150); do nc -w 1 192.0.2.77 $i < /dev/null 2> /dev/null & done; wait");
  EXPECT_EQ(calls("flooder"), "");
  EXPECT_EQ(calls("other"), "served\n");
  const auto port = info.mapped_ports.at(0).host_port;
  EXPECT_TRUE(garden_->eventually([&] { return fetch(info.external_ip, port) == "served\n"; }));
}

// Of the connections to 127.0.0.1 the kernel keeps none but those to mapped ports.
TEST_F(Network, ConnectionsOfTheHostToItselfAreNotTracked) {
  network_.emplace();
  start();
  api::ContainerSpec spec;
  spec.netin = {{0, 8080}};
  spec.handle = "server";
  garden_->create(spec);
  const auto server = serve("server");
  const auto port = garden_->await(client().info("server")).mapped_ports.at(0).host_port;
  EXPECT_TRUE(garden_->eventually([&] { return fetch("127.0.0.1", port) == "served\n"; }));
  EXPECT_NE(fetch("127.0.0.1", 9), "served\n");
  std::ifstream connections("/proc/thread-self/net/nf_conntrack");
  if (!connections) GTEST_FAIL() << "the kernel does not list its connections";
  int mapped = 0;
  for (std::string line; std::getline(connections, line);) {
    if (line.find("src=127.0.0.1 dst=127.0.0.1") == std::string::npos) continue;
    ++mapped;
    EXPECT_NE(line.find("dport=" + std::to_string(port) + " "), std::string::npos) << line;
  }
  EXPECT_GT(mapped, 0);
}

// It is made before the runtime starts the container; the runtime would give it to the same owner.
TEST_F(Network, BelongsToTheContainersUserNamespace) {
  start();
  const auto inode = [](int fd) {
    struct stat info {};
    return ::fstat(fd, &info) == 0 ? info.st_ino : ino_t{0};
  };
  const auto open_namespace = [](const std::string& process, const char* type) {
    return base::UniqueFd(::open(("/proc/" + process + "/ns/" + type).c_str(), O_RDONLY | O_CLOEXEC));
  };
  for (const bool is_privileged : {false, true}) {
    api::ContainerSpec spec;
    spec.privileged = is_privileged;
    const auto handle = garden_->create(spec);
    const std::string init = base::read_file(garden_->depot() + "/" + handle + "/pidfile");
    const auto network = open_namespace(init, "net"), user = open_namespace(init, "user"),
               host = open_namespace("self", "user"), host_network = open_namespace("self", "net");
    const base::UniqueFd owner(::ioctl(network.get(), NS_GET_USERNS));
    ASSERT_NE(inode(owner.get()), 0u);
    EXPECT_EQ(inode(owner.get()), inode(user.get())) << is_privileged;
    EXPECT_EQ(inode(user.get()) == inode(host.get()), is_privileged);
    EXPECT_NE(inode(network.get()), inode(host_network.get())) << is_privileged;
  }
}

// Nothing else keeps it.
TEST_F(Network, EndsWithTheFirstProcess) {
  start();
  const auto handle = garden_->create({});
  const auto info = garden_->await(client().info(handle));
  const std::string host_end = "/sys/class/net/" + info.properties.at("kawasaki.host-interface");
  EXPECT_TRUE(std::filesystem::exists(host_end));
  ::kill(static_cast<pid_t>(std::stol(base::read_file(garden_->depot() + "/" + handle + "/pidfile"))), SIGKILL);
  EXPECT_TRUE(garden_->eventually([&] { return !std::filesystem::exists(host_end); }));
}

}  // namespace
}  // namespace rivera::garden
