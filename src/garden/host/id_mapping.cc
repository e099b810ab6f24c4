#include "garden/host/id_mapping.h"

#include <algorithm>

namespace rivera::garden {
namespace {

std::uint32_t to_host(const std::vector<IdMapping::Range>& ranges, std::uint32_t id) {
  for (const auto& range : ranges) {
    if (id >= range.container && id - range.container < range.length) return range.host + (id - range.container);
  }
  return id;
}

}  // namespace

std::uint32_t IdMapping::host_uid(std::uint32_t container) const { return to_host(uids, container); }
std::uint32_t IdMapping::host_gid(std::uint32_t container) const { return to_host(gids, container); }

IdMapping unprivileged_mapping(const Options& options, const Host& host) {
  const auto ranges = [&](std::uint32_t start, std::uint32_t length) {
    const std::uint32_t most = host.largest_id - start;
    return std::vector<IdMapping::Range>{{0, host.largest_id, 1},
                                         {1, start, length == 0 ? most : std::min(length, most)}};
  };
  return {ranges(options.uid_map_start, options.uid_map_length), ranges(options.gid_map_start, options.gid_map_length)};
}

}  // namespace rivera::garden
