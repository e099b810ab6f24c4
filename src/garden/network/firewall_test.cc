// Rules as commands.
#include "garden/network/firewall.h"

#include <gtest/gtest.h>

namespace rivera::garden {
namespace {

namespace api = clients::garden;

TEST(NetOutRules, ThatCannotBeExpressedAreRefused) {
  api::NetOutRule rule;
  rule.networks = {{"1.1.1.1", "1.1.1.9"}};
  rule.log = true;
  check_rule(rule);
  rule.ports = {{1, 2}};
  EXPECT_THROW(check_rule(rule), api::GardenError);
  rule.protocol = api::NetOutProtocol::kIcmp;
  EXPECT_THROW(check_rule(rule), api::GardenError);
  rule.protocol = api::NetOutProtocol::kUdp;
  check_rule(rule);
  rule.networks = {{"1.1.1.1; flush ruleset", ""}};
  EXPECT_THROW(check_rule(rule), api::GardenError);
  rule.networks = {{"1.1.1.9", "1.1.1.1"}};
  EXPECT_THROW(check_rule(rule), api::GardenError);
}

TEST(NetOutRules, TheNewestComesFirstAndTextOfAHandleCannotLeaveItsQuotes) {
  ContainerRules container{
      "id", "a\" ; flush ruleset #", "br", {Subnet::parse("10.0.0.0/30"), parse_ipv4("10.0.0.2")}, {}, {}};
  for (const char* address : {"1.1.1.1", "2.2.2.2"}) {
    api::NetOutRule rule;
    rule.networks = {{address, ""}};
    container.net_out.push_back(rule);
  }
  const std::string commands = net_out_commands(FirewallOptions{}, container);
  EXPECT_LT(commands.find("2.2.2.2"), commands.find("1.1.1.1"));
  EXPECT_NE(commands.find("comment \"aflushruleset\""), std::string::npos) << commands;
}

TEST(NetOutRules, AnyKindOfIcmpIsOpenedByType255) {
  const auto rules_for = [](std::uint8_t type, std::optional<std::uint8_t> code) {
    ContainerRules container{"id", "h", "br", {Subnet::parse("10.0.0.0/30"), parse_ipv4("10.0.0.2")}, {}, {}};
    api::NetOutRule rule;
    rule.protocol = api::NetOutProtocol::kIcmp;
    rule.icmps = api::IcmpControl{type, code};
    container.net_out = {rule};
    return net_out_commands(FirewallOptions{}, container);
  };
  EXPECT_NE(rules_for(255, 255).find(" ip protocol icmp accept"), std::string::npos);
  EXPECT_NE(rules_for(255, std::nullopt).find(" ip protocol icmp accept"), std::string::npos);
  EXPECT_NE(rules_for(8, 255).find(" icmp type 8 accept"), std::string::npos);
  EXPECT_NE(rules_for(8, 0).find(" icmp type 8 icmp code 0 accept"), std::string::npos);
  EXPECT_NE(rules_for(0, std::nullopt).find(" icmp type 0 accept"), std::string::npos);
}

}  // namespace
}  // namespace rivera::garden
