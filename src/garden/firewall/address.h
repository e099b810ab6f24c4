// IPv4 addresses, subnets, hardware addresses. Pure.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>

namespace rivera::garden {

// An IPv4 address in host order.
using Ipv4 = std::uint32_t;
using MacAddress = std::array<std::uint8_t, 6>;

// Throws std::invalid_argument naming the text.
Ipv4 parse_ipv4(const std::string& text);
std::string to_text(Ipv4 address);
// "02:67:0a:00:00:02". Reading throws std::invalid_argument naming the text.
std::string to_text(const MacAddress& mac);
MacAddress parse_mac(const std::string& text);

// The hardware address of the container or bridge with that address: locally administered, and as
// unique as that address.
MacAddress mac_for(Ipv4 address);

struct Subnet {
  Ipv4 network = 0;
  int prefix = 30;

  // "10.254.0.0/30"; the host part is dropped. Throws clients::garden::GardenError("invalid CIDR address: …").
  static Subnet parse(const std::string& text);
  Ipv4 gateway() const { return network + 1; }
  Ipv4 broadcast() const { return network | host_mask(); }
  bool contains(Ipv4 address) const { return (address & ~host_mask()) == network; }
  bool overlaps(const Subnet& other) const { return contains(other.network) || other.contains(network); }
  std::string text() const { return to_text(network) + "/" + std::to_string(prefix); }
  auto operator<=>(const Subnet&) const = default;

 private:
  Ipv4 host_mask() const { return prefix >= 32 ? 0 : 0xffffffffu >> prefix; }
};

// "10.254.0.5/30": the address, and the subnet it is in. Throws clients::garden::GardenError("invalid CIDR address:
// …").
struct Lease {
  Subnet subnet;
  Ipv4 address = 0;
};
Lease parse_cidr(const std::string& text);

}  // namespace rivera::garden
