// A container on a bridge with others cannot send as another, nor see what is not for it.
#include <arpa/inet.h>

#include <gtest/gtest.h>

#include "base/process/subprocess.h"
#include "garden/firewall/address.h"
#include "garden/testing/isolated_network.h"
#include "garden/testing/network_calls.h"

namespace rivera::garden {

namespace api = clients::garden;

namespace {

std::string bytes_of(const MacAddress& mac) { return std::string(mac.begin(), mac.end()); }
std::string bytes_of(Ipv4 address) {
  const Ipv4 raw = htonl(address);
  return std::string(reinterpret_cast<const char*>(&raw), sizeof raw);
}
std::string bytes_of(std::initializer_list<int> values) {
  std::string bytes;
  for (const int value : values) bytes.push_back(static_cast<char>(value));
  return bytes;
}

struct Peer {
  MacAddress mac{};
  Ipv4 address = 0;
};

// Frames end with a mark by which the test finds them again.
std::string arp(int operation, const std::string& from, const Peer& sender, const Peer& target,
                const std::string& mark) {
  return bytes_of({255, 255, 255, 255, 255, 255}) + from + bytes_of({8, 6, 0, 1, 8, 0, 6, 4, 0, operation}) +
         bytes_of(sender.mac) + bytes_of(sender.address) + bytes_of(target.mac) + bytes_of(target.address) + mark;
}

// UDP without a checksum; the IP header has none either, which no bridge looks at.
std::string udp(const std::string& to, const std::string& from, Ipv4 source, Ipv4 destination,
                const std::string& mark) {
  const int payload = static_cast<int>(mark.size());
  return to + from + bytes_of({8, 0, 0x45, 0, 0, 28 + payload, 0, 0, 0, 0, 64, 17, 0, 0}) + bytes_of(source) +
         bytes_of(destination) + bytes_of({0, 9, 0, 9, 0, 8 + payload, 0, 0}) + mark;
}

class Isolation : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string obstacle = TestGarden::obstacle();
    if (!obstacle.empty()) GTEST_FAIL() << obstacle;
    network_.emplace();
    garden_ = std::make_unique<TestGarden>();
    a_ = create("a"), b_ = create("b");
  }
  Peer create(const std::string& handle) {
    api::ContainerSpec spec;
    spec.handle = handle;
    spec.network = "10.9.0.0/24";
    garden_->create(spec);
    const Ipv4 address = parse_ipv4(garden_->await(garden_->client().info(handle)).container_ip);
    return {mac_for(address), address};
  }
  FrameSocket socket(const std::string& handle) {
    const auto info = garden_->await(garden_->client().info(handle));
    return {base::read_file(garden_->depot() + "/" + handle + "/pidfile"),
            info.properties.at("kawasaki.container-interface")};
  }

  std::optional<IsolatedNetwork> network_;
  std::unique_ptr<TestGarden> garden_;
  Peer a_, b_;
  const Peer gateway_{{}, parse_ipv4("10.9.0.1")};
};

TEST_F(Isolation, FramesWithAnothersAddressesGoNowhere) {
  const FrameSocket attacker = socket("a"), victim = socket("b");
  const std::string mine = bytes_of(a_.mac), yours = bytes_of(b_.mac);
  const Ipv4 unused = parse_ipv4("10.9.0.77");
  attacker.send(arp(2, mine, {a_.mac, gateway_.address}, b_, "FORGED the gateway answers"));
  attacker.send(arp(1, mine, {a_.mac, unused}, b_, "FORGED an address asks"));
  attacker.send(arp(2, mine, {b_.mac, a_.address}, b_, "FORGED hardware inside"));
  attacker.send(arp(1, bytes_of({2, 0, 0, 0, 0, 1}), a_, b_, "FORGED hardware outside"));
  attacker.send(udp(yours, mine, unused, b_.address, "FORGED an unused source"));
  attacker.send(udp(yours, mine, gateway_.address, b_.address, "FORGED the gateway's source"));
  attacker.send(udp(bytes_of({255, 255, 255, 255, 255, 255}), yours, a_.address, b_.address, "FORGED their hardware"));
  attacker.send(bytes_of({0x33, 0x33, 0, 0, 0, 1}) + mine + bytes_of({0x86, 0xdd}) + "FORGED IPv6");
  attacker.send(yours + mine + bytes_of({0x81, 0, 0, 1, 8, 0}) + "FORGED a tag of a virtual network");
  attacker.send(yours + mine + bytes_of({0x88, 0xcc}) + "FORGED another protocol");
  attacker.send(udp(yours, mine, a_.address, b_.address, "GENUINE datagram"));
  attacker.send(arp(1, mine, a_, b_, "GENUINE question"));
  bool has_come = false;
  for (int i = 0; i < 1000 && !has_come; ++i) {
    const std::string frame = victim.receive();
    ASSERT_EQ(frame.find("FORGED"), std::string::npos) << frame.substr(frame.find("FORGED"));
    has_come = frame.find("GENUINE question") != std::string::npos;
  }
  EXPECT_TRUE(has_come) << "what is right passes, and comes after what is not";
}

TEST_F(Isolation, TrafficOfOthersDoesNotComeByEvenAfterAnAttempt) {
  const FrameSocket attacker = socket("b");
  const auto server = serve(*garden_, "a");
  attacker.send(udp(bytes_of({255, 255, 255, 255, 255, 255}), bytes_of(a_.mac), b_.address, a_.address, "FORGED"));
  ASSERT_TRUE(garden_->eventually([&] { return fetch(*garden_, to_text(a_.address), 8080) == "served\n"; }));
  garden_->run("a", "ping -c 1 -w 2 " + to_text(b_.address));
  const std::string ip_to_a = bytes_of(a_.mac), marker = bytes_of(a_.address) + bytes_of(b_.address);
  bool has_come = false;
  for (int i = 0; i < 1000 && !has_come; ++i) {
    const std::string frame = attacker.receive();
    const bool is_theirs = frame.starts_with(ip_to_a) && frame.substr(12, 2) == bytes_of({8, 0}) &&
                           frame.find(bytes_of(b_.address)) == std::string::npos;
    ASSERT_FALSE(is_theirs) << "a packet for the other";
    has_come = frame.find(marker) != std::string::npos && frame.substr(12, 2) == bytes_of({8, 0});
  }
  EXPECT_TRUE(has_come) << "the ping, which came last";
}

// Within a shared subnet containers reach one another, and the outside (docs/spec/garden.md §3.4).
TEST_F(Isolation, NeighboursAreReached) {
  const auto server = serve(*garden_, "a");
  EXPECT_TRUE(garden_->eventually([&] { return call(*garden_, "b", to_text(a_.address), 8080) == "served\n"; }));
  garden_->kill();
  garden_->start();
  EXPECT_TRUE(garden_->eventually([&] { return call(*garden_, "b", to_text(a_.address), 8080) == "served\n"; }));
}

}  // namespace
}  // namespace rivera::garden
