// User namespaces: which host ids the ids of a container are (docs/spec/garden.md §2.4). Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "garden/host/host.h"
#include "garden/host/options.h"

namespace rivera::garden {

// Which host id each id of a container is.
struct IdMapping {
  struct Range {
    std::uint32_t container = 0, host = 0, length = 0;
    bool operator==(const Range&) const = default;
  };
  std::vector<Range> uids, gids;  // both empty: no user namespace
  // The host id of a container's id; an id outside every range stays as it is (§4.4).
  std::uint32_t host_uid(std::uint32_t container) const;
  std::uint32_t host_gid(std::uint32_t container) const;
  // Whether a process of the container can have that id.
  bool has_uid(std::uint32_t container) const;
  bool has_gid(std::uint32_t container) const;
  bool operator==(const IdMapping&) const = default;
};

// Root is the host's largest id, every other id itself (§2.4). Layers have these owners on the disk, and what is bound
// into a container from the host, as upstream's volumes do.
IdMapping unprivileged_mapping(const Options& options, const Host& host);

// The ids of a container are `length` host ids from `first` on.
IdMapping own_mapping(std::uint32_t first, std::uint32_t length);

// From the ids that files have on the disk by `disk` to those that the same ids of a container are by `container`: what
// a mapped mount takes, whose "container" ids are those on the disk. Ids on the disk that stand for none of the
// container stay as they are, so that what is everyone's (a directory of the host's root that all may write to) stays
// that, unless they are host ids of the container. No ranges if the two have no id in common.
IdMapping translation(const IdMapping& disk, const IdMapping& container);

}  // namespace rivera::garden
