#include "net/stream/destination_policy.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstring>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <optional>
#include <span>
#include <stdexcept>
#include <string_view>
#include <sys/socket.h>

#include <boost/asio/ip/address.hpp>

#include "base/files.h"

namespace rivera::net {
namespace {

using Address = asio::ip::address;
// An address of either family as the 16 bytes of IPv6: those of IPv4 are mapped (::ffff:a.b.c.d).
using AddressBytes = std::array<std::uint8_t, 16>;

constexpr int kMappedBits = 96;

AddressBytes bytes_of(const Address& address) {
  if (address.is_v6()) return address.to_v6().to_bytes();
  return asio::ip::make_address_v6(asio::ip::v4_mapped, address.to_v4()).to_bytes();
}

struct Network {
  AddressBytes prefix{};
  int bits = 0;

  bool contains(const AddressBytes& address) const {
    const auto whole = static_cast<std::size_t>(bits / 8);
    if (!std::equal(prefix.begin(), prefix.begin() + static_cast<std::ptrdiff_t>(whole), address.begin())) return false;
    const int rest = bits % 8;
    return rest == 0 || ((prefix.at(whole) ^ address.at(whole)) >> (8 - rest)) == 0;
  }
};

// "10.0.0.0/8", "fe80::/10", or one address. Bits after the prefix do not matter.
Network parse_network(std::string_view text) {
  const auto fail = [&text] { throw std::invalid_argument("\"" + std::string(text) + "\" is no network"); };
  const auto slash = text.find('/');
  error_code ec;
  const Address address = asio::ip::make_address(std::string(text.substr(0, slash)), ec);
  if (ec) fail();
  const int most = address.is_v4() ? 32 : 128;
  int bits = most;
  if (slash != std::string_view::npos) {
    const std::string_view length = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), bits);
    if (error != std::errc() || end != length.data() + length.size() || bits < 0 || bits > most) fail();
  }
  return {bytes_of(address), address.is_v4() ? kMappedBits + bits : bits};
}

std::vector<Network> parse_networks(std::span<const char* const> texts) {
  std::vector<Network> networks;
  for (const char* text : texts) networks.push_back(parse_network(text));
  return networks;
}

const std::vector<Network>& always_denied() {
  static constexpr std::array kTexts{
      "0.0.0.0/8",     "127.0.0.0/8",     "169.254.0.0/16",
      "224.0.0.0/4",   "240.0.0.0/4",  // 240.0.0.0/4 holds broadcast
      "::/96",                         // ::, ::1, IPv4-compatible
      "fe80::/10",     "fec0::/10",       "ff00::/8",
      "fd00:ec2::254", "100.100.100.200",  // metadata services that are not link-local
  };
  static const std::vector<Network> networks = parse_networks(kTexts);
  return networks;
}

bool is_in(const std::vector<Network>& networks, const AddressBytes& address) {
  return std::ranges::any_of(networks, [&](const Network& network) { return network.contains(address); });
}

// Where packets to an address of these networks end is the IPv4 address within it: NAT64 (RFC 6052), 6to4 (RFC 3056).
std::optional<AddressBytes> embedded_v4(const AddressBytes& address) {
  struct Embedding {
    Network network;
    std::size_t at = 0;
  };
  static const std::array<Embedding, 2> kEmbeddings{
      {{parse_network("64:ff9b::/96"), 12}, {parse_network("2002::/16"), 2}}};
  for (const auto& [network, at] : kEmbeddings) {
    if (!network.contains(address)) continue;
    AddressBytes inner = bytes_of(asio::ip::address_v4::any());
    std::copy_n(address.begin() + static_cast<std::ptrdiff_t>(at), 4, inner.begin() + kMappedBits / 8);
    return inner;
  }
  return std::nullopt;
}

struct RouteQuery {
  nlmsghdr header{};
  rtmsg route{};
  rtattr attribute{};
  AddressBytes destination{};
};

// The kernel's answer to "where do packets to this address go?" (RTM_GETROUTE): RTN_UNICAST away from here. An address
// without a route has no type.
std::optional<std::uint8_t> route_type(const AddressBytes& address, bool is_v4) {
  const base::UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd) throw std::system_error(errno, std::generic_category(), "ask for a route");
  const std::size_t size = is_v4 ? 4 : 16;
  RouteQuery query;
  query.header.nlmsg_type = RTM_GETROUTE;
  query.header.nlmsg_flags = NLM_F_REQUEST;
  query.header.nlmsg_len = static_cast<std::uint32_t>(offsetof(RouteQuery, destination) + size);
  query.route.rtm_family = is_v4 ? AF_INET : AF_INET6;
  query.route.rtm_dst_len = static_cast<std::uint8_t>(8 * size);
  query.attribute.rta_type = RTA_DST;
  query.attribute.rta_len = static_cast<std::uint16_t>(RTA_LENGTH(size));
  std::copy_n(address.end() - static_cast<std::ptrdiff_t>(size), size, query.destination.begin());
  if (::send(fd.get(), &query, query.header.nlmsg_len, 0) < 0)
    throw std::system_error(errno, std::generic_category(), "ask for a route");
  // The kernel answers before send() returns.
  std::array<char, 4096> answer{};
  const ssize_t count = ::recv(fd.get(), answer.data(), answer.size(), MSG_DONTWAIT);
  nlmsghdr header{};
  if (count < static_cast<ssize_t>(sizeof header + sizeof(rtmsg)))
    throw std::system_error(count < 0 ? errno : EPROTO, std::generic_category(), "ask for a route");
  std::memcpy(&header, answer.data(), sizeof header);
  if (header.nlmsg_type != RTM_NEWROUTE) return std::nullopt;
  rtmsg route{};
  std::memcpy(&route, answer.data() + NLMSG_HDRLEN, sizeof route);
  return route.rtm_type;
}

// True as well if the kernel does not say: what cannot be judged is not connected to.
bool is_of_this_machine(const AddressBytes& address) {
  static const Network kMapped = parse_network("0.0.0.0/0");
  try {
    const auto type = route_type(address, kMapped.contains(address));
    return type && *type != RTN_UNICAST;
  } catch (const std::system_error&) {
    return true;
  }
}

std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

struct HostPattern {
  std::string host;  // in lower case, without brackets
  std::optional<std::uint16_t> port;
};

HostPattern parse_host(std::string_view text) {
  const auto fail = [&text] { throw std::invalid_argument("\"" + std::string(text) + "\" is no host or host:port"); };
  HostPattern pattern;
  std::string_view host = text, port;
  const auto colon = text.rfind(':');
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) fail();
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
  } else if (colon != std::string_view::npos && text.find(':') == colon) {  // with two it is an IPv6 address
    host = text.substr(0, colon);
    port = text.substr(colon);
  }
  if (host.empty()) fail();
  pattern.host = in_lower_case(host);
  if (port.empty()) return pattern;
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data() + 1, port.data() + port.size(), number);
  if (port.front() != ':' || error != std::errc() || end != port.data() + port.size()) fail();
  pattern.port = number;
  return pattern;
}

class DestinationCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "destination"; }
  std::string message(int /*the only one*/) const override { return "connections to this host are not allowed"; }
};

}  // namespace

struct DestinationPolicy::State {
  std::vector<Network> denied, allowed;
  std::vector<HostPattern> hosts;

  bool allows_host(const std::string& host, std::uint16_t port) const {
    const std::string name = in_lower_case(host);
    return std::ranges::any_of(
        hosts, [&](const HostPattern& each) { return each.host == name && each.port.value_or(port) == port; });
  }

  bool allows_address(const AddressBytes& address) const {
    if (is_in(allowed, address)) return true;
    const auto inner = embedded_v4(address);
    if (inner && !allows_address(*inner)) return false;
    return !is_in(always_denied(), address) && !is_in(denied, address) && !is_of_this_machine(address);
  }
};

DestinationPolicy::DestinationPolicy(const DestinationRules& rules) {
  auto state = std::make_shared<State>();
  for (const auto& text : rules.denied_networks) state->denied.push_back(parse_network(text));
  for (const auto& text : rules.allowed_networks) state->allowed.push_back(parse_network(text));
  for (const auto& text : rules.allowed_hosts) state->hosts.push_back(parse_host(text));
  state_ = std::move(state);
}

bool DestinationPolicy::allows(const std::string& host, std::uint16_t port, const asio::ip::address& address) const {
  return !state_ || state_->allows_host(host, port) || state_->allows_address(bytes_of(address));
}

std::vector<asio::ip::address> DestinationPolicy::allowed_of(const std::string& host, std::uint16_t port,
                                                             std::vector<asio::ip::address> addresses) const {
  std::erase_if(addresses, [&](const asio::ip::address& address) { return !allows(host, port, address); });
  if (addresses.empty()) throw boost::system::system_error(destination_denied());
  return addresses;
}

error_code destination_denied() {
  static const DestinationCategory category;
  return {1, category};
}

}  // namespace rivera::net
