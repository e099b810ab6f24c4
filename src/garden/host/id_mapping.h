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
  };
  std::vector<Range> uids, gids;  // both empty: no user namespace
  // The host id of a container's id; an id outside every range stays as it is (§4.4).
  std::uint32_t host_uid(std::uint32_t container) const;
  std::uint32_t host_gid(std::uint32_t container) const;
  // Whether a process of the container can have that id.
  bool has_uid(std::uint32_t container) const;
  bool has_gid(std::uint32_t container) const;
};

// Root is the host's largest id, every other id itself (§2.4).
IdMapping unprivileged_mapping(const Options& options, const Host& host);

}  // namespace rivera::garden
