#include "cluster/prepare/host_network.h"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <ifaddrs.h>
#include <memory>
#include <sstream>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "base/files.h"
#include "cluster/prepare/preflight.h"

namespace rivera::cluster {
namespace {

constexpr std::uint64_t kLastAddress = 0xffffffff;

AddressRange range_of(std::uint64_t address, std::uint64_t mask) {
  return {address & mask, (address & mask) + (kLastAddress - mask)};
}

std::string interface_by_address(const AddressRange& wanted, const std::string& own_prefix) {
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) throw std::system_error(errno, std::generic_category(), "list the network interfaces");
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(all, &::freeifaddrs);
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET || one->ifa_netmask == nullptr) continue;
    if (std::string(one->ifa_name).starts_with(own_prefix)) continue;
    const auto address = ntohl(reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr.s_addr);
    const auto mask = ntohl(reinterpret_cast<const sockaddr_in*>(one->ifa_netmask)->sin_addr.s_addr);
    if (wanted.overlaps(range_of(address, mask))) return one->ifa_name;
  }
  return "";
}

std::string interface_by_route(const AddressRange& wanted, const std::string& own_prefix) {
  std::istringstream lines(base::read_file("/proc/net/route"));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string interface, destination, gateway, skipped, mask;
    fields >> interface >> destination >> gateway >> skipped >> skipped >> skipped >> skipped >> mask;
    if (mask.empty() || mask == "00000000" || interface.starts_with(own_prefix)) continue;
    const std::uint64_t first = ntohl(static_cast<std::uint32_t>(std::stoul(destination, nullptr, 16)));
    const std::uint64_t bits = ntohl(static_cast<std::uint32_t>(std::stoul(mask, nullptr, 16)));
    if (wanted.overlaps(range_of(first, bits))) return interface;
  }
  return "";
}

struct PortRange {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
};

// "32768\t60999", or "8080,9000-9100".
std::vector<PortRange> port_ranges(std::string text) {
  std::ranges::replace(text, ',', '\n');
  std::vector<PortRange> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::ranges::replace_if(
        line, [](char c) { return c == '-' || c == '\t'; }, ' ');
    std::istringstream words(line);
    PortRange range;
    if (!(words >> range.first)) continue;
    if (!(words >> range.last)) range.last = range.first;
    out.push_back(range);
  }
  return out;
}

bool is_in(std::uint32_t port, const std::vector<PortRange>& ranges) {
  return std::ranges::any_of(ranges, [port](const PortRange& r) { return r.first <= port && port <= r.last; });
}

std::string file_or_nothing(const char* path) {
  try {
    return base::read_file(path);
  } catch (const std::system_error&) {
    return "";
  }
}

}  // namespace

std::optional<AddressRange> addresses_of(const std::string& network) {
  const auto slash = network.find('/');
  in_addr address{};
  int bits = 0;
  if (slash == std::string::npos || ::inet_pton(AF_INET, network.substr(0, slash).c_str(), &address) != 1) return {};
  const auto [end, ec] = std::from_chars(network.data() + slash + 1, network.data() + network.size(), bits);
  if (ec != std::errc() || bits < 0 || bits > 32) return {};
  const std::uint64_t size = std::uint64_t{1} << (32 - bits);
  return range_of(ntohl(address.s_addr), kLastAddress + 1 - size);
}

std::string interface_into(const std::string& network, const std::string& garden_tag) {
  const auto wanted = addresses_of(network);
  if (!wanted) return "";
  const std::string own_prefix = "w" + garden_tag;
  const std::string by_address = interface_by_address(*wanted, own_prefix);
  return by_address.empty() ? interface_by_route(*wanted, own_prefix) : by_address;
}

void require_network_apart(const Settings& s) {
  const std::string interface = interface_into(s.network_pool, s.garden_tag);
  if (interface.empty()) return;
  throw Problem(
      fmt::format("network_pool: the network {} of containers overlaps the one behind this machine's interface {} (see "
                  "ip route): choose another with --set network_pool=...",
                  s.network_pool, interface));
}

std::string warning_of_ports(const Settings& s, const std::string& local_range, const std::string& reserved) {
  const auto given_away = port_ranges(local_range);
  const auto kept = port_ranges(reserved);
  const auto is_at_risk = [&](std::uint32_t port) { return is_in(port, given_away) && !is_in(port, kept); };
  std::vector<std::string> ranges;
  const auto own = s.ports.all();
  if (std::ranges::any_of(own, is_at_risk)) {
    ranges.push_back(fmt::format("{}-{}", s.ports.base, s.ports.base + Ports::kBlock - 1));
  }
  for (std::uint32_t port = s.port_pool_start; port < std::uint32_t{s.port_pool_start} + s.port_pool_size; ++port) {
    if (!is_at_risk(port)) continue;
    ranges.push_back(fmt::format("{}-{}", s.port_pool_start, s.port_pool_start + s.port_pool_size - 1));
    break;
  }
  if (ranges.empty()) return "";
  return fmt::format(
      "The kernel gives ports of this cluster to clients of other servers (net.ipv4.ip_local_port_range): one may be "
      "taken at the next start. Reserve them with sysctl -w net.ipv4.ip_local_reserved_ports={}, or choose others with "
      "--port-base and --set port_pool_start=...",
      fmt::join(ranges, ","));
}

std::string warning_of_ports(const Settings& settings) {
  return warning_of_ports(settings, file_or_nothing("/proc/sys/net/ipv4/ip_local_port_range"),
                          file_or_nothing("/proc/sys/net/ipv4/ip_local_reserved_ports"));
}

}  // namespace rivera::cluster
