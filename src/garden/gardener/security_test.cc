// What a container may not do, tried from inside.
#include <arpa/inet.h>
#include <filesystem>
#include <fstream>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/files.h"
#include "base/process/subprocess.h"
#include "garden/testing/test_garden.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace fs = std::filesystem;

namespace {

class Security : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string obstacle = TestGarden::obstacle();
    if (!obstacle.empty()) GTEST_FAIL() << obstacle;
  }
  void start(std::vector<std::string> flags = {}) { garden_ = std::make_unique<TestGarden>(std::move(flags)); }
  clients::GardenClient& client() { return garden_->client(); }

  // From the host: what runs in a container cannot write there.
  void switch_on_ipv6_in(const std::string& handle, const std::string& interface) {
    const std::string settings = "/proc/sys/net/ipv6/conf/" + interface;
    base::must_run({"nsenter", "--target", base::read_file(garden_->depot() + "/" + handle + "/pidfile"), "--net", "sh",
                    "-c", "echo 0 > " + settings + "/accept_dad; echo 0 > " + settings + "/disable_ipv6"});
  }
  bool has_ipv6_address(const std::string& handle) {
    return !garden_->run(handle, "grep -v ' lo$' /proc/net/if_inet6").output.empty();
  }

  std::unique_ptr<TestGarden> garden_;
};

// A service of the host on every address, IPv4 and IPv6. It closes each connection at once.
class HostService {
 public:
  HostService() : socket_(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(socket_.get(), 5), 0);
    socklen_t length = sizeof address;
    ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin6_port);
    thread_ = std::thread([this] {
      for (int connection = 0; (connection = ::accept(socket_.get(), nullptr, nullptr)) >= 0;) ::close(connection);
    });
  }
  ~HostService() {
    ::shutdown(socket_.get(), SHUT_RDWR);
    thread_.join();
  }
  std::string port() const { return std::to_string(port_); }

 private:
  base::UniqueFd socket_;
  unsigned port_ = 0;
  std::thread thread_;
};

// The address that an interface gives itself, from its hardware address.
std::string link_local_address(const std::string& interface) {
  unsigned mac[6] = {};
  const std::string text = base::read_file("/sys/class/net/" + interface + "/address");
  std::sscanf(text.c_str(), "%x:%x:%x:%x:%x:%x", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5]);
  char address[64];
  std::snprintf(address, sizeof address, "fe80::%02x%02x:%02xff:fe%02x:%02x%02x", mac[0] ^ 2u, mac[1], mac[2], mac[3],
                mac[4], mac[5]);
  return address;
}

TEST_F(Security, TheHostIsNotReachedOverIpv6) {
  start();
  const HostService service;
  const auto handle = garden_->create();
  const auto properties = garden_->await(client().properties(handle));
  const std::string bridge = properties.at("kawasaki.bridge-interface");
  const std::string interface = properties.at("kawasaki.container-interface");
  EXPECT_EQ(garden_->run(handle, "grep -v ' lo$' /proc/net/if_inet6").output, "");
  EXPECT_EQ(garden_->run(handle, "cat /proc/sys/net/ipv6/conf/" + interface + "/accept_ra").output, "0\n");
  for (const std::string& ours : {bridge, properties.at("kawasaki.host-interface")}) {
    EXPECT_EQ(base::read_file("/proc/sys/net/ipv6/conf/" + ours + "/disable_ipv6"), "1\n") << ours;
    EXPECT_EQ(base::read_file("/proc/sys/net/ipv6/conf/" + ours + "/accept_ra"), "0\n") << ours;
  }
  // A container that has it at its own end, however it was switched on, still does not reach the host.
  switch_on_ipv6_in(handle, interface);
  ASSERT_TRUE(garden_->eventually([&] { return has_ipv6_address(handle); }));
  const std::string connect =
      "nc -w 1 " + link_local_address(bridge) + "%" + interface + " " + service.port() + " < /dev/null";
  EXPECT_NE(garden_->run(handle, connect).status, 0);
  // Nor if another program switches it on at the host's end: no frame of it passes the bridge.
  const std::string settings = "/proc/sys/net/ipv6/conf/" + bridge;
  std::ofstream(settings + "/accept_dad") << "0";
  std::ofstream(settings + "/disable_ipv6") << "0";
  const std::string setting = settings + "/disable_ipv6";
  ASSERT_EQ(base::read_file(setting), "0\n");
  EXPECT_NE(garden_->run(handle, connect).status, 0);
  // Only these two kept it from that: without them the same command reaches the host.
  const std::string pid = base::read_file(garden_->depot() + "/" + handle + "/pidfile");
  garden_->kill();
  base::must_run({"nft", "delete", "table", "bridge", "rivera_garden_" + garden_->options().tag});
  EXPECT_TRUE(garden_->eventually([&] {
    return base::run_command({"nsenter", "--target", pid, "--net", "busybox", "sh", "-c", connect}).ok();
  })) << "the host is not reached in any case: the refusals say nothing";
  garden_->start();
  EXPECT_EQ(base::read_file(setting), "1\n");
  EXPECT_NE(garden_->run(handle, connect).status, 0);
}

TEST_F(Security, AProcessGainsNoPrivilegesByExecuting) {
  start({"--no-new-privileges"});
  const auto handle = garden_->create();
  for (const char* user : {"root", "vcap"}) {
    EXPECT_EQ(garden_->run(handle, "grep NoNewPrivs /proc/self/status", user).output, "NoNewPrivs:\t1\n") << user;
  }
  EXPECT_EQ(garden_->run(handle, "grep NoNewPrivs /proc/1/status").output, "NoNewPrivs:\t1\n");
}

TEST_F(Security, PrivilegedContainersAreRefusedIfTheServerIsConfiguredSo) {
  start({"--disable-privileged-containers"});
  api::ContainerSpec spec;
  spec.privileged = true;
  try {
    garden_->create(spec);
    ADD_FAILURE() << "a privileged container was created";
  } catch (const api::GardenError& e) {
    EXPECT_STREQ(e.what(), "privileged container creation is disabled");
  }
}

TEST_F(Security, TheSocketHasTheModeThatWasAskedFor) {
  start({"--bind-socket-mode", "0600"});
  struct stat info {};
  ASSERT_EQ(::stat(garden_->socket().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0600u);
}

TEST_F(Security, WithEveryNetworkDeniedOnlyRulesOpenAnything) {
  start({"--deny-network", "0.0.0.0/0"});
  garden_->create_named("server");
  garden_->create_named("caller");
  const auto server = garden_->begin("server", shell("while true; do echo served | nc -l -p 8080; done"));
  const auto address = garden_->await(client().info("server")).container_ip;
  const auto call = [&] { return garden_->run("caller", "nc -w 1 " + address + " 8080 < /dev/null").output; };
  const auto ping = [&] { return garden_->run("caller", "ping -c 1 -W 1 " + address).status; };
  EXPECT_EQ(call(), "");
  EXPECT_NE(ping(), 0);
  api::NetOutRule tcp;
  tcp.protocol = api::NetOutProtocol::kTcp;
  tcp.networks = {{address, address}};
  tcp.ports = {{8080, 8080}};
  garden_->await(client().net_out("caller", tcp));
  EXPECT_TRUE(garden_->eventually([&] { return call() == "served\n"; }));
  EXPECT_NE(ping(), 0);
  api::NetOutRule icmp;
  icmp.protocol = api::NetOutProtocol::kIcmp;
  icmp.networks = {{address, address}};
  icmp.icmps = api::IcmpControl{255, 255};
  garden_->await(client().net_out("caller", icmp));
  EXPECT_TRUE(garden_->eventually([&] { return ping() == 0; }));
}

}  // namespace
}  // namespace rivera::garden
