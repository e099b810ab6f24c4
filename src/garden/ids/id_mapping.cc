#include "garden/ids/id_mapping.h"

#include <algorithm>
#include <utility>

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

constexpr std::uint64_t kEndOfIds = 0xffffffff;  // the highest number is no id

// The ids that none of these intervals has, each as it is.
std::vector<IdMapping::Range> unchanged_but(std::vector<std::pair<std::uint64_t, std::uint64_t>> taken) {
  std::sort(taken.begin(), taken.end());
  taken.emplace_back(kEndOfIds, kEndOfIds);
  std::vector<IdMapping::Range> ranges;
  std::uint64_t at = 0;
  for (const auto& [begin, end] : taken) {
    const auto first = static_cast<std::uint32_t>(at);
    if (begin > at) ranges.push_back({first, first, static_cast<std::uint32_t>(begin - at)});
    at = std::max(at, end);
  }
  return ranges;
}

std::vector<IdMapping::Range> translated(const std::vector<IdMapping::Range>& disk,
                                         const std::vector<IdMapping::Range>& container) {
  std::vector<IdMapping::Range> ranges;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> taken;
  for (const auto& from : disk) {
    for (const auto& to : container) {
      const std::uint64_t first = std::max(from.container, to.container);
      const std::uint64_t end =
          std::min(std::uint64_t{from.container} + from.length, std::uint64_t{to.container} + to.length);
      if (first >= end) continue;
      const auto start = static_cast<std::uint32_t>(first);
      const IdMapping::Range range{from.host + (start - from.container), to.host + (start - to.container),
                                   static_cast<std::uint32_t>(end - first)};
      for (const std::uint64_t side : {range.container, range.host}) taken.emplace_back(side, side + range.length);
      ranges.push_back(range);
    }
  }
  if (ranges.empty()) return ranges;
  for (const auto& range : unchanged_but(std::move(taken))) ranges.push_back(range);
  return ranges;
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

IdMapping own_mapping(std::uint32_t first, std::uint32_t length) {
  const std::vector<IdMapping::Range> ranges{{0, first, length}};
  return {ranges, ranges};
}

IdMapping translation(const IdMapping& disk, const IdMapping& container) {
  return {translated(disk.uids, container.uids), translated(disk.gids, container.gids)};
}

}  // namespace rivera::garden
