// Conversion of security groups to Garden's rules.
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

#include "base/asio.h"
#include "executor/container/container_spec.h"
#include "executor/container/errors.h"
#include "models/validation/validation.h"

namespace rivera::executor {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

[[noreturn]] void fail_conversion() { throw std::invalid_argument("failed to convert destination to ip range"); }

std::string address(std::string_view text) {
  error_code ec;
  const auto parsed = asio::ip::make_address(std::string(trimmed(text)), ec);
  if (ec) fail_conversion();
  return parsed.to_string();
}

// The first and last address of "a.b.c.d/n".
garden::NetOutRule::IpRange network_range(const std::string& text) {
  error_code ec;
  if (text.find(':') == std::string::npos) {
    const auto network = asio::ip::make_network_v4(text, ec);
    if (ec) fail_conversion();
    const auto canonical = network.canonical();
    return {canonical.network().to_string(), canonical.broadcast().to_string()};
  }
  const auto network = asio::ip::make_network_v6(text, ec);
  if (ec) fail_conversion();
  auto last = network.network().to_bytes();
  for (unsigned bit = network.prefix_length(); bit < 128; ++bit) {
    last[bit / 8] = static_cast<unsigned char>(last[bit / 8] | (0x80u >> (bit % 8)));
  }
  return {network.canonical().network().to_string(), asio::ip::address_v6(last).to_string()};
}

garden::NetOutProtocol protocol_of(const std::string& name) {
  if (name == "all") return garden::NetOutProtocol::kAll;
  if (name == "tcp") return garden::NetOutProtocol::kTcp;
  if (name == "udp") return garden::NetOutProtocol::kUdp;
  if (name == "icmp") return garden::NetOutProtocol::kIcmp;
  if (name == "icmpv6") return garden::NetOutProtocol::kIcmpV6;
  throw InvalidSecurityGroup();
}

// The rule without its destination.
garden::NetOutRule without_networks(const models::SecurityGroupRule& rule) {
  garden::NetOutRule out;
  out.protocol = protocol_of(rule.protocol());
  out.log = rule.log();
  for (const auto port : rule.ports()) {
    out.ports.push_back({static_cast<std::uint16_t>(port), static_cast<std::uint16_t>(port)});
  }
  if (rule.has_port_range()) {
    out.ports.push_back(
        {static_cast<std::uint16_t>(rule.port_range().start()), static_cast<std::uint16_t>(rule.port_range().end())});
  }
  if (rule.has_icmp_info()) {
    out.icmps = garden::IcmpControl{static_cast<std::uint8_t>(rule.icmp_info().type()),
                                    static_cast<std::uint8_t>(rule.icmp_info().code())};
  }
  return out;
}

// An entry may hold several destinations separated by commas.
std::vector<std::string_view> split(std::string_view entry) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto comma = entry.find(',');
    parts.push_back(trimmed(entry.substr(0, comma)));
    if (comma == std::string_view::npos) return parts;
    entry.remove_prefix(comma + 1);
  }
}

}  // namespace

garden::NetOutRule::IpRange ip_range(std::string_view destination) {
  const auto text = trimmed(destination);
  if (const auto dash = text.find('-'); dash != std::string_view::npos) {
    return {address(text.substr(0, dash)), address(text.substr(dash + 1))};
  }
  if (text.find('/') != std::string_view::npos) return network_range(std::string(text));
  const auto only = address(text);
  return {only, only};
}

std::vector<garden::NetOutRule> net_out_rules(const std::vector<models::SecurityGroupRule>& rules) {
  std::vector<garden::NetOutRule> out;
  for (const auto& rule : rules) {
    if (!models::findings(rule).empty()) throw InvalidSecurityGroup();
    const auto pattern = without_networks(rule);
    for (const auto& entry : rule.destinations()) {
      for (const auto destination : split(entry)) {
        out.push_back(pattern);
        out.back().networks.push_back(ip_range(destination));
      }
    }
  }
  return out;
}

}  // namespace rivera::executor
