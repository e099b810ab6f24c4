// The network of real containers.
#include <arpa/inet.h>
#include <sys/socket.h>

#include <gtest/gtest.h>

#include "base/process/subprocess.h"
#include "garden/testing/test_garden.h"
#include "net/http/http_client.h"

namespace rivera::garden {

namespace api = clients::garden;

namespace {

constexpr const char* kEchoServer = "while true; do echo served | nc -l -p 8080; done";

class Network : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string obstacle = TestGarden::obstacle();
    if (!obstacle.empty()) GTEST_FAIL() << obstacle;
  }
  void start(std::vector<std::string> flags = {}) { garden_ = std::make_unique<TestGarden>(std::move(flags)); }
  clients::GardenClient& client() { return garden_->client(); }

  // What the peer says, or why there is none.
  std::string fetch(const std::string& host, std::uint32_t port) { return garden_->await(fetch_text(host, port)); }
  static asio::awaitable<std::string> fetch_text(std::string host, std::uint32_t port) {
    net::Endpoint endpoint;
    endpoint.host = host;
    endpoint.port = static_cast<std::uint16_t>(port);
    std::string text;
    try {
      const auto stream = co_await net::connect(endpoint, std::nullopt, std::chrono::seconds(2));
      stream->set_timeout(std::chrono::seconds(2));
      std::string buffer(100, '\0');
      const std::size_t n = co_await stream->read_some(buffer);
      text = buffer.substr(0, n);
    } catch (const std::exception& e) {
      text = e.what();
    }
    co_return text;
  }
  std::unique_ptr<RunningProcess> serve(const std::string& handle) {
    return garden_->begin(handle, shell(kEchoServer));
  }

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

}  // namespace
}  // namespace rivera::garden
