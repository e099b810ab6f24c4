// Addresses and ports, and how they are kept.
#include <gtest/gtest.h>

#include "clients/garden/garden_types.h"
#include "garden/network/container_network.h"
#include "garden/network/port_pool.h"
#include "garden/network/subnet_pool.h"

namespace rivera::garden {
namespace {

using clients::garden::GardenError;

std::string failure_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const GardenError& e) {
    return e.what();
  }
  return "no failure";
}

TEST(SubnetPool, GivesTheLowestFreeSubnetToEach) {
  SubnetPool pool(Subnet::parse("10.0.0.0/28"));
  EXPECT_EQ(pool.capacity(), 4u);
  const Lease first = pool.acquire(""), second = pool.acquire("");
  EXPECT_EQ(first.subnet.text(), "10.0.0.0/30");
  EXPECT_EQ(to_text(first.address), "10.0.0.2");
  EXPECT_EQ(to_text(first.subnet.gateway()), "10.0.0.1");
  EXPECT_EQ(to_text(second.address), "10.0.0.6");
  EXPECT_TRUE(pool.release(first));
  EXPECT_EQ(to_text(pool.acquire("").address), "10.0.0.2");
}

TEST(SubnetPool, SaysWhenNoSubnetIsLeft) {
  SubnetPool pool(Subnet::parse("255.255.255.248/29"));
  pool.acquire("");
  pool.acquire("");
  EXPECT_EQ(failure_of([&] { pool.acquire(""); }), "insufficient subnets remaining in the pool");
}

TEST(SubnetPool, SharesAnExplicitSubnetOutsideThePool) {
  SubnetPool pool(Subnet::parse("10.0.0.0/24"));
  const Lease first = pool.acquire("10.9.0.0/24"), second = pool.acquire("10.9.0.0/24"),
              third = pool.acquire("10.9.0.77/24");
  EXPECT_EQ(to_text(first.address), "10.9.0.2");
  EXPECT_EQ(to_text(second.address), "10.9.0.3");
  EXPECT_EQ(to_text(third.address), "10.9.0.77");
  EXPECT_FALSE(pool.release(first));
  EXPECT_FALSE(pool.release(second));
  EXPECT_TRUE(pool.release(third));
  EXPECT_EQ(pool.acquire("10.8.0.6").subnet.text(), "10.8.0.4/30");
}

TEST(SubnetPool, RefusesWhatOverlapsOrIsTaken) {
  SubnetPool pool(Subnet::parse("10.0.0.0/24"));
  EXPECT_EQ(failure_of([&] { pool.acquire("10.0.0.8/30"); }),
            "the requested subnet (10.0.0.8/30) overlaps the dynamic allocation range (10.0.0.0/24)");
  pool.acquire("10.9.0.5/24");
  EXPECT_EQ(failure_of([&] { pool.acquire("10.9.0.0/25"); }),
            "the requested subnet (10.9.0.0/25) overlaps an existing subnet (10.9.0.0/24)");
  EXPECT_EQ(failure_of([&] { pool.acquire("10.9.0.5/24"); }), "the requested IP is already allocated");
  EXPECT_EQ(failure_of([&] { pool.acquire("10.9.0.1/24"); }), "a container IP must not equal the gateway IP");
  EXPECT_EQ(failure_of([&] { pool.acquire("10.9.0.255/24"); }), "a container IP must not equal the broadcast IP");
  EXPECT_EQ(failure_of([&] {
              pool.restore({Subnet::parse("10.7.0.0/24"), parse_ipv4("10.8.0.5")});
            }),
            "the requested IP is not within the subnet");
  pool.acquire("10.6.0.0/30");
  EXPECT_EQ(failure_of([&] { pool.acquire("10.6.0.0/30"); }), "insufficient IPs remaining in the pool");
  EXPECT_EQ(failure_of([&] { pool.acquire("10.5.0.0/32"); }), "insufficient IPs remaining in the pool");
  for (const char* malformed : {"10.9.0/24", "10.9.0.0/", "10.9.0.0/33", "x", "10.9.0.0/2x"}) {
    EXPECT_EQ(failure_of([&] { pool.acquire(malformed); }).rfind("invalid CIDR address: ", 0), 0u) << malformed;
  }
}

TEST(PortPool, LetsAPortRestBeforeItServesAgain) {
  PortPool pool(100, 3);
  EXPECT_EQ(pool.acquire(), 100u);
  EXPECT_EQ(pool.acquire(), 101u);
  pool.release(100);
  EXPECT_EQ(pool.offset(), 2u);
  EXPECT_EQ(pool.acquire(), 102u);
  EXPECT_EQ(pool.acquire(), 100u);
  EXPECT_EQ(failure_of([&] { pool.acquire(); }), "port pool is exhausted");
}

TEST(PortPool, BeginsWhereTheLastOneWas) {
  PortPool pool(100, 3, 2);
  EXPECT_EQ(pool.acquire(), 102u);
  EXPECT_EQ(pool.acquire(), 100u);
  EXPECT_EQ(PortPool(100, 3, 3).acquire(), 100u);
}

TEST(PortPool, KeepsAPortUntilAllThatTookItHaveReleasedIt) {
  PortPool pool(100, 2);
  pool.take(100);
  pool.take(100);
  pool.take(9999);
  EXPECT_EQ(pool.acquire(), 101u);
  pool.release(55);
  pool.release(9999);
  pool.release(100);
  EXPECT_EQ(failure_of([&] { pool.acquire(); }), "port pool is exhausted");
  EXPECT_EQ(pool.offset(), 0u);
  pool.release(100);
  EXPECT_EQ(pool.offset(), 0u);
  EXPECT_EQ(pool.acquire(), 100u);
}

TEST(ContainerNetwork, IsReadAsItWasWritten) {
  ContainerNetwork network =
      plan_network(Options{}, "h", {Subnet::parse("10.0.0.0/30"), parse_ipv4("10.0.0.2")}, 1234567);
  network.ports = {{1, 2}};
  network.net_out.emplace_back().protocol = clients::garden::NetOutProtocol::kTcp;
  const ContainerNetwork again = network_from_json(to_json(network));
  EXPECT_EQ(to_json(again), to_json(network));
  EXPECT_EQ(again.ports, network.ports);
  EXPECT_EQ(again.host_interface, network.host_interface);
}

}  // namespace
}  // namespace rivera::garden
