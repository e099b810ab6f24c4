// Rules as commands.
#include "garden/firewall/firewall.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "garden/firewall/net_out_rules.h"

namespace rivera::garden {
namespace {

namespace api = clients::garden;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string failure_of_rule(const api::NetOutRule& rule) {
  try {
    check_rules({rule});
  } catch (const api::GardenError& e) {
    return e.what();
  }
  return "no failure";
}

ContainerRules a_container(const std::string& handle) {
  return {"id", handle, "br", "w-0", "02:67:0a:00:00:02", {Subnet::parse("10.0.0.0/30"), parse_ipv4("10.0.0.2")}, {}};
}

TEST(NetOutRules, ThatCannotBeExpressedAreRefused) {
  api::NetOutRule rule;
  rule.networks = {{"1.1.1.1", "1.1.1.9"}};
  rule.log = true;
  EXPECT_EQ(failure_of_rule(rule), "no failure");
  rule.ports = {{1, 2}};
  EXPECT_EQ(failure_of_rule(rule), "Ports cannot be specified for Protocol ALL");
  rule.protocol = api::NetOutProtocol::kIcmp;
  EXPECT_EQ(failure_of_rule(rule), "Ports cannot be specified for Protocol ICMP");
  rule.protocol = api::NetOutProtocol::kUdp;
  EXPECT_EQ(failure_of_rule(rule), "no failure");
  rule.icmps = api::IcmpControl{8, 0};
  EXPECT_EQ(failure_of_rule(rule), "an ICMP type can be specified for Protocol ICMP only");
  rule.icmps.reset();
  rule.ports = {{2, 1}};
  EXPECT_EQ(failure_of_rule(rule), "invalid port range: 2-1");
  rule.ports.clear();
  rule.networks = {{"1.1.1.9", "1.1.1.1"}};
  EXPECT_EQ(failure_of_rule(rule), "invalid address range: 1.1.1.9-1.1.1.1");
  rule.networks = {{"1.1.1.1; flush ruleset", ""}};
  EXPECT_THAT(failure_of_rule(rule), HasSubstr("invalid IPv4 address"));
  rule.networks = {{"2001:db8::1", "2001:db8::9"}};
  EXPECT_EQ(failure_of_rule(rule), "IPv6 addresses cannot be used in rules, containers have IPv4 only: 2001:db8::1");
  rule.networks.clear();
  rule.protocol = api::NetOutProtocol::kIcmpV6;
  EXPECT_EQ(failure_of_rule(rule), "invalid protocol: 4");
}

TEST(NetOutRules, AreNotMoreThanAChainCanHold) {
  api::NetOutRule rule;
  rule.protocol = api::NetOutProtocol::kTcp;
  rule.networks.resize(1000, {"1.1.1.1", ""});
  rule.ports.resize(1000, {1, 1});
  EXPECT_THAT(failure_of_rule(rule), HasSubstr("more than 20000"));
}

TEST(NetOutRules, AreMadeForEachPairOfANetworkAndAPortRange) {
  api::NetOutRule rule;
  rule.protocol = api::NetOutProtocol::kTcp;
  EXPECT_THAT(net_out_expressions(rule, "h"), ElementsAre("ip protocol tcp accept"));
  rule.networks = {{"1.1.1.1", "1.1.1.9"}, {"", "::ffff:2.2.2.2"}};
  rule.ports = {{80, 80}, {8000, 8999}};
  EXPECT_THAT(
      net_out_expressions(rule, "h"),
      ElementsAre("ip daddr 1.1.1.1-1.1.1.9 tcp dport 80 accept", "ip daddr 1.1.1.1-1.1.1.9 tcp dport 8000-8999 accept",
                  "ip daddr 2.2.2.2 tcp dport 80 accept", "ip daddr 2.2.2.2 tcp dport 8000-8999 accept"));
  EXPECT_THAT(net_out_expressions(api::NetOutRule{}, "h"), ElementsAre("accept"));
}

TEST(NetOutRules, LogNewConnectionsUnderTheFirstCharactersOfTheHandle) {
  api::NetOutRule rule;
  rule.log = true;
  EXPECT_THAT(net_out_expressions(rule, "0123456789012345678901234567-more"),
              ElementsAre("ct state new,untracked,invalid log prefix \"0123456789012345678901234567 \"", "accept"));
}

TEST(NetOutRules, TheNewestComesFirstAndTextOfAHandleCannotLeaveItsQuotes) {
  const ContainerRules container = a_container("a\" ; flush ruleset #");
  std::vector<api::NetOutRule> rules(2);
  rules[0].networks = {{"1.1.1.1", ""}};
  rules[1].networks = {{"2.2.2.2", ""}};
  rules[1].log = true;
  const std::string commands = net_out_commands(FirewallOptions{}, container, rules);
  EXPECT_LT(commands.find("1.1.1.1"), commands.find("2.2.2.2")) << "each is put in front of the others";
  EXPECT_LT(commands.rfind("2.2.2.2 accept"), commands.rfind("2.2.2.2 ct state")) << "the log comes first";
  EXPECT_THAT(commands, HasSubstr("insert rule ip rivera_garden rules-id "));
  EXPECT_THAT(commands, HasSubstr("comment \"aflushruleset\""));
}

TEST(NetOutRules, AnyKindOfIcmpIsOpenedByType255) {
  const auto expression = [](std::uint8_t type, std::optional<std::uint8_t> code) {
    api::NetOutRule rule;
    rule.protocol = api::NetOutProtocol::kIcmp;
    rule.icmps = api::IcmpControl{type, code};
    return net_out_expressions(rule, "h").at(0);
  };
  EXPECT_EQ(expression(255, 255), "ip protocol icmp accept");
  EXPECT_EQ(expression(255, std::nullopt), "ip protocol icmp accept");
  EXPECT_EQ(expression(8, 255), "icmp type 8 accept");
  EXPECT_EQ(expression(8, 0), "icmp type 8 icmp code 0 accept");
  EXPECT_EQ(expression(0, std::nullopt), "icmp type 0 accept");
}

TEST(Firewall, LimitsConnectionsOnlyIfAskedTo) {
  FirewallOptions options;
  EXPECT_THAT(table_commands(options, {}, {}), Not(HasSubstr("ct count")));
  options.connection_limit = 77;
  EXPECT_THAT(table_commands(options, {}, {}), HasSubstr("ct count over 77"));
}

TEST(PortClaims, LeadAPortToTheFirstThatAskedForIt) {
  PortClaims claims;
  const MappedPort first{80, 1, 8080}, second{80, 2, 8081}, other{81, 2, 8081};
  EXPECT_EQ(claims.add("a", first).added, first);
  EXPECT_EQ(claims.add("b", second).added, std::nullopt);
  EXPECT_EQ(claims.add("b", other).added, other);
  EXPECT_THAT(claims.effective(), ElementsAre(first, other));
  const auto changes = claims.remove_owner("a");
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].removed, first);
  EXPECT_EQ(changes[0].added, second);
  EXPECT_TRUE(claims.remove_owner("a").empty());
  EXPECT_EQ(claims.remove("b", other).removed, other);
  EXPECT_THAT(claims.effective(), ElementsAre(second));
}

TEST(PortClaims, OfOneOwnerDoNotCountOneAfterTheOtherWhileTheyAreRemoved) {
  PortClaims claims;
  const MappedPort first{80, 1, 1}, second{80, 1, 2};
  claims.add("a", first);
  claims.add("a", second);
  std::vector<MappedPort> added;
  for (const auto& change : claims.remove_owner("a")) {
    if (change.added) added.push_back(*change.added);
  }
  EXPECT_TRUE(added.empty());
  EXPECT_TRUE(claims.effective().empty());
}

TEST(Addresses, OfHardwareAreReadAsTheyAreWritten) {
  const MacAddress mac = mac_for(parse_ipv4("10.254.0.2"));
  EXPECT_EQ(to_text(mac), "02:67:0a:fe:00:02");
  EXPECT_EQ(parse_mac(to_text(mac)), mac);
  for (const char* wrong : {"", "02:67:0a:fe:00", "02:67:0a:fe:00:02:", "02-67-0a-fe-00-02", "0267:0a:fe:00:02"}) {
    EXPECT_THROW(parse_mac(wrong), std::invalid_argument) << wrong;
  }
}

}  // namespace
}  // namespace rivera::garden
