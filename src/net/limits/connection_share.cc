#include "net/limits/connection_share.h"

#include <algorithm>

#include "base/process/resources.h"

namespace rivera::net {
namespace {

constexpr std::size_t kOwnDescriptors = 256;   // for what does not grow with the clients
constexpr std::size_t kPartClosedAtOnce = 64;  // one of so many connections

}  // namespace

std::size_t connection_share(unsigned percent, std::size_t most) {
  const std::size_t all = base::descriptor_limit();
  const std::size_t shared = all - std::min(all / 2, kOwnDescriptors);
  return std::clamp<std::size_t>(shared * percent / 100, 1, most);
}

std::vector<std::uint64_t> longest_idle(std::vector<IdleConnection> idle, std::size_t limit) {
  const std::size_t wanted = std::min(idle.size(), std::max<std::size_t>(1, limit / kPartClosedAtOnce));
  if (wanted < idle.size()) {
    std::nth_element(idle.begin(), idle.begin() + static_cast<std::ptrdiff_t>(wanted), idle.end(),
                     [](const IdleConnection& a, const IdleConnection& b) { return a.since < b.since; });
    idle.resize(wanted);
  }
  std::vector<std::uint64_t> ids;
  ids.reserve(idle.size());
  for (const IdleConnection& connection : idle) ids.push_back(connection.id);
  return ids;
}

}  // namespace rivera::net
