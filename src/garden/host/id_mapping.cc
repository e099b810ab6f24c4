#include "garden/host/id_mapping.h"

#include <algorithm>

namespace rivera::garden {
namespace {

const IdMapping::Range* range_of(const std::vector<IdMapping::Range>& ranges, std::uint32_t id) {
  const auto found = std::find_if(ranges.begin(), ranges.end(), [id](const IdMapping::Range& range) {
    return id >= range.container && id - range.container < range.length;
  });
  return found == ranges.end() ? nullptr : &*found;
}

std::uint32_t to_host(const std::vector<IdMapping::Range>& ranges, std::uint32_t id) {
  const auto* range = range_of(ranges, id);
  return range == nullptr ? id : range->host + (id - range->container);
}

}  // namespace

std::uint32_t IdMapping::host_uid(std::uint32_t container) const { return to_host(uids, container); }
std::uint32_t IdMapping::host_gid(std::uint32_t container) const { return to_host(gids, container); }

bool IdMapping::has_uid(std::uint32_t container) const { return uids.empty() || range_of(uids, container) != nullptr; }
bool IdMapping::has_gid(std::uint32_t container) const { return gids.empty() || range_of(gids, container) != nullptr; }

IdMapping unprivileged_mapping(const Options& options, const Host& host) {
  const auto ranges = [&](std::uint32_t start, std::uint32_t length) {
    const std::uint32_t most = host.largest_id - start;
    return std::vector<IdMapping::Range>{{0, host.largest_id, 1},
                                         {1, start, length == 0 ? most : std::min(length, most)}};
  };
  return {ranges(options.uid_map_start, options.uid_map_length), ranges(options.gid_map_start, options.gid_map_length)};
}

}  // namespace rivera::garden
