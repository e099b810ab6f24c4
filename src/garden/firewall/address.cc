#include "garden/firewall/address.h"

#include <arpa/inet.h>
#include <charconv>
#include <stdexcept>

#include <fmt/format.h>

#include "clients/garden/garden_types.h"

namespace rivera::garden {

using clients::garden::GardenError;

Ipv4 parse_ipv4(const std::string& text) {
  in_addr address{};
  if (::inet_pton(AF_INET, text.c_str(), &address) != 1) throw std::invalid_argument("invalid IPv4 address: " + text);
  return ntohl(address.s_addr);
}

std::string to_text(Ipv4 address) {
  const in_addr raw{htonl(address)};
  char text[INET_ADDRSTRLEN];
  return ::inet_ntop(AF_INET, &raw, text, sizeof text);
}

std::string to_text(const MacAddress& mac) {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

MacAddress parse_mac(const std::string& text) {
  MacAddress mac{};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::size_t i = 0; i < mac.size(); ++i) {
    if (i > 0 && (at == end || *at++ != ':')) throw std::invalid_argument("invalid hardware address: " + text);
    const auto [rest, failure] = std::from_chars(at, end, mac[i], 16);
    if (failure != std::errc()) throw std::invalid_argument("invalid hardware address: " + text);
    at = rest;
  }
  if (at != end) throw std::invalid_argument("invalid hardware address: " + text);
  return mac;
}

MacAddress mac_for(Ipv4 address) {
  const auto byte = [address](int shift) { return static_cast<std::uint8_t>(address >> shift); };
  return {0x02, 0x67, byte(24), byte(16), byte(8), byte(0)};
}

Lease parse_cidr(const std::string& text) {
  const auto slash = text.find('/');
  int prefix = 0;
  const char* begin = text.data() + (slash == std::string::npos ? text.size() : slash + 1);
  const auto [end, failure] = std::from_chars(begin, text.data() + text.size(), prefix);
  if (failure != std::errc() || end != text.data() + text.size() || prefix < 0 || prefix > 32) {
    throw GardenError("invalid CIDR address: " + text);
  }
  try {
    const Ipv4 address = parse_ipv4(text.substr(0, slash));
    const Ipv4 mask = prefix == 0 ? 0 : ~Ipv4{0} << (32 - prefix);
    return {{address & mask, prefix}, address};
  } catch (const std::invalid_argument&) {
    throw GardenError("invalid CIDR address: " + text);
  }
}

Subnet Subnet::parse(const std::string& text) { return parse_cidr(text).subnet; }

}  // namespace rivera::garden
