#include "garden/firewall/net_out_rules.h"

#include <algorithm>
#include <stdexcept>

#include "garden/firewall/address.h"

namespace rivera::garden {

namespace api = clients::garden;

namespace {

constexpr std::size_t kLogPrefixLength = 28;
constexpr std::size_t kMostExpressions = 20'000;  // of one container's rules

// The text of an IPv4 address, checked: it goes into a command. Go writes an address that it holds in IPv6 form plain,
// but takes both.
Ipv4 rule_address(const std::string& text) {
  constexpr std::string_view kMapped = "::ffff:";
  const bool is_mapped = text.starts_with(kMapped) && text.find('.') != std::string::npos;
  try {
    return parse_ipv4(is_mapped ? text.substr(kMapped.size()) : text);
  } catch (const std::invalid_argument& e) {
    if (text.find(':') == std::string::npos) throw api::GardenError(e.what());
    throw api::GardenError("IPv6 addresses cannot be used in rules, containers have IPv4 only: " +
                           quotable(text, 50).substr(0, 50));
  }
}

std::string network_match(const api::NetOutRule::IpRange& range) {
  if (!range.start.empty() && !range.end.empty()) {
    const Ipv4 start = rule_address(range.start), end = rule_address(range.end);
    if (start > end) throw api::GardenError("invalid address range: " + to_text(start) + "-" + to_text(end));
    return start == end ? "ip daddr " + to_text(start) + " " : "ip daddr " + to_text(start) + "-" + to_text(end) + " ";
  }
  const std::string& one = range.start.empty() ? range.end : range.start;
  return one.empty() ? "" : "ip daddr " + to_text(rule_address(one)) + " ";
}

std::string port_match(const std::string& protocol, const api::NetOutRule::PortRange& range) {
  const std::string start = std::to_string(range.start), end = std::to_string(range.end);
  if (range.start > range.end) throw api::GardenError("invalid port range: " + start + "-" + end);
  return protocol + " dport " + (range.start == range.end ? start : start + "-" + end) + " ";
}

// 255 stands for any type, with any code; beside a type it stands for any code.
std::string icmp_match(const api::NetOutRule& rule) {
  constexpr std::uint8_t kAny = 255;
  if (!rule.icmps || rule.icmps->type == kAny) return "ip protocol icmp ";
  std::string match = "icmp type " + std::to_string(rule.icmps->type) + " ";
  if (rule.icmps->code && *rule.icmps->code != kAny) match += "icmp code " + std::to_string(*rule.icmps->code) + " ";
  return match;
}

void refuse_ports(const api::NetOutRule& rule, const std::string& protocol) {
  if (!rule.ports.empty()) throw api::GardenError("Ports cannot be specified for Protocol " + protocol);
}

void refuse_icmps(const api::NetOutRule& rule) {
  if (rule.icmps) throw api::GardenError("an ICMP type can be specified for Protocol ICMP only");
}

std::vector<std::string> port_matches(const api::NetOutRule& rule, const std::string& protocol) {
  if (rule.ports.empty()) return {"ip protocol " + protocol + " "};
  std::vector<std::string> matches;
  matches.reserve(rule.ports.size());
  for (const auto& range : rule.ports) matches.push_back(port_match(protocol, range));
  return matches;
}

// The protocol and port part of each expression.
std::vector<std::string> protocol_matches(const api::NetOutRule& rule) {
  switch (rule.protocol) {
    case api::NetOutProtocol::kAll:
      refuse_ports(rule, "ALL");
      refuse_icmps(rule);
      return {""};
    case api::NetOutProtocol::kIcmp:
      refuse_ports(rule, "ICMP");
      return {icmp_match(rule)};
    case api::NetOutProtocol::kTcp:
      refuse_icmps(rule);
      return port_matches(rule, "tcp");
    case api::NetOutProtocol::kUdp:
      refuse_icmps(rule);
      return port_matches(rule, "udp");
    case api::NetOutProtocol::kIcmpV6:
      break;
  }
  throw api::GardenError("invalid protocol: " + std::to_string(static_cast<int>(rule.protocol)));
}

std::size_t expression_count(const api::NetOutRule& rule) {
  return std::max<std::size_t>(rule.networks.size(), 1) * std::max<std::size_t>(rule.ports.size(), 1) *
         (rule.log ? 2 : 1);
}

}  // namespace

std::string quotable(const std::string& text, std::size_t limit) {
  std::string clean;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                          c == '_' || c == '.' || c == ':';
    if (is_plain && clean.size() < limit) clean.push_back(c);
  }
  return clean;
}

std::vector<std::string> net_out_expressions(const api::NetOutRule& rule, const std::string& handle) {
  const auto protocols = protocol_matches(rule);
  std::vector<std::string> networks;
  networks.reserve(rule.networks.size());
  for (const auto& range : rule.networks) networks.push_back(network_match(range));
  if (networks.empty()) networks.emplace_back();
  const std::string log =
      "ct state new,untracked,invalid log prefix \"" + quotable(handle.substr(0, kLogPrefixLength), 99) + " \"";
  std::vector<std::string> expressions;
  for (const auto& network : networks) {
    for (const auto& protocol : protocols) {
      const std::string match = network + protocol;
      if (rule.log) expressions.push_back(match + log);
      expressions.push_back(match + "accept");
    }
  }
  return expressions;
}

void check_rules(const std::vector<api::NetOutRule>& rules) {
  std::size_t count = 0;
  for (const auto& rule : rules) {
    count += expression_count(rule);
    if (count > kMostExpressions) {
      throw api::GardenError("more than " + std::to_string(kMostExpressions) + " combinations of networks and ports");
    }
  }
  for (const auto& rule : rules) net_out_expressions(rule, "");
}

}  // namespace rivera::garden
