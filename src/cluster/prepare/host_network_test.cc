#include "cluster/prepare/host_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/prepare/preflight.h"

namespace rivera::cluster {
namespace {

using ::testing::HasSubstr;

std::string refused_network(const std::string& network) {
  Settings settings;
  settings.network_pool = network;
  try {
    require_network_apart(settings);
  } catch (const Problem& e) {
    return e.what();
  }
  return "";
}

TEST(NetworkOfContainers, IsRefusedWhereTheMachineIsPartOfIt) {
  EXPECT_THAT(refused_network("127.1.0.0/22"), HasSubstr("the network 127.1.0.0/22 of containers overlaps the one "
                                                         "behind this machine's interface lo"));
  EXPECT_THAT(refused_network("96.0.0.0/3"), HasSubstr("interface lo")) << "it holds the other one";
  EXPECT_EQ(refused_network("198.51.100.0/24"), "") << "of documentation: no machine has it";
}

TEST(NetworkOfContainers, MayBeWhereItsOwnInterfacesAre) {
  EXPECT_EQ(interface_into("127.0.0.0/8", ""), "lo");
  EXPECT_EQ(interface_into("no network", ""), "");
}

TEST(PortsOfACluster, AreWarnedOfWhereTheKernelGivesThemToClients) {
  Settings settings;
  settings.ports.base = 28000;
  settings.port_pool_start = 61001;
  settings.port_pool_size = 4000;
  EXPECT_EQ(warning_of_ports(settings, "32768\t60999\n", "\n"), "");
  settings.ports.base = 40000;
  EXPECT_THAT(warning_of_ports(settings, "32768\t60999\n", ""), HasSubstr("ip_local_reserved_ports=40000-40099,"));
  EXPECT_EQ(warning_of_ports(settings, "32768\t60999\n", "8080,40000-40099\n"), "") << "reserved";
  settings.port_pool_start = 60000;
  EXPECT_THAT(warning_of_ports(settings, "32768\t60999\n", "40000-40099"),
              HasSubstr("ip_local_reserved_ports=60000-63999,"));
  EXPECT_EQ(warning_of_ports(settings, "", ""), "") << "unknown";
}

}  // namespace
}  // namespace rivera::cluster
