// What is kept of a network.
#include "garden/network/container_network.h"

#include <gtest/gtest.h>

namespace rivera::garden {
namespace {

namespace api = clients::garden;

TEST(ContainerNetwork, IsReadAsItWasWritten) {
  ContainerNetwork network =
      plan_network(Options{}, "h", {Subnet::parse("10.0.0.0/30"), parse_ipv4("10.0.0.2")}, 1234567);
  network.ports = {{1, 2}};
  network.net_out.emplace_back().protocol = api::NetOutProtocol::kTcp;
  const ContainerNetwork again = network_from_json(to_json(network));
  EXPECT_EQ(to_json(again), to_json(network));
  EXPECT_EQ(again.ports, network.ports);
  EXPECT_EQ(again.host_interface, network.host_interface);
}

}  // namespace
}  // namespace rivera::garden
