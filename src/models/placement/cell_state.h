// The state of a cell for the auction, and the work assigned to it: GET /state and POST /work of the rep
// (docs/spec/locket-and-auction.md §3.2 to §3.4).
//
// Plain values with upstream's JSON. Encoding gives the bytes Go gives (key order, null or [], escapes); decoding takes
// what Go takes (unknown keys, keys in another case, null for anything).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "models/go/go_values.h"

namespace rivera::models {

// Where a container may be put.
struct PlacementConstraint {
  StringList placement_tags;
  StringList volume_drivers;
  std::string root_fs;  // "preloaded:cflinuxfs4", "docker:///a/b#tag"

  bool operator==(const PlacementConstraint&) const = default;
};

// The resources that a container requires.
struct ContainerResource {
  std::int32_t memory_mb = 0;
  std::int32_t disk_mb = 0;
  std::int32_t max_pids = 0;

  bool operator==(const ContainerResource&) const = default;
};

// The total or free resources of a cell. May be negative in an inconsistent state.
struct CellResources {
  std::int32_t memory_mb = 0;
  std::int32_t disk_mb = 0;
  std::int64_t containers = 0;

  bool operator==(const CellResources&) const = default;
};

// The root file systems a cell accepts for one URL scheme.
struct RootFsProvider {
  enum class Kind {
    kArbitrary,  // every URL of the scheme
    kFixedSet,   // URLs whose opaque part is in `names`
    kUnknown,    // an unknown type: matches nothing; printed as null
  };
  Kind kind = Kind::kArbitrary;
  std::set<std::string, std::less<>> names;

  static RootFsProvider arbitrary() { return {}; }
  static RootFsProvider fixed_set(std::set<std::string, std::less<>> names_in_set) {
    return {Kind::kFixedSet, std::move(names_in_set)};
  }
  auto operator<=>(const RootFsProvider&) const = default;
};

// By scheme, lower case.
using RootFsProviders = std::map<std::string, RootFsProvider, std::less<>>;

// Stack name to the path of its root file system on the cell ("cflinuxfs4" to
// "/var/vcap/packages/cflinuxfs4/rootfs.tar").
using StackPathMap = std::map<std::string, std::string>;

// "name:path" entries of a rep's `preloaded_root_fs`. Throws std::invalid_argument with the text of docs/spec/cell.md
// §1.2.
StackPathMap parse_stack_paths(const std::vector<std::string>& entries);

// What a rep publishes: `preloaded` and `preloaded+layer` with every stack, and an arbitrary one for each other scheme
// (docs/spec/locket-and-auction.md §3.3).
RootFsProviders root_fs_providers(const StackPathMap& stacks, const std::vector<std::string>& supported_schemes);

// True if the cell can provide `root_fs`. The URL is split exactly as Go does (§3.3); one that Go refuses matches
// nothing.
bool provides(const RootFsProviders& providers, std::string_view root_fs);

// An LRP instance: on a cell (GET /state), or asked for (POST /work: instance_guid and state are empty).
struct CellLRP {
  std::string instance_guid;
  std::string process_guid;
  std::int32_t index = 0;
  std::string domain;
  PlacementConstraint placement;
  ContainerResource resource;
  std::string state;  // "CLAIMED", "RUNNING", "SHUTDOWN", "CRASHED", or "" in a work request

  // "<process_guid>.<index>": how the auction distinguishes instances.
  std::string identifier() const { return process_guid + "." + std::to_string(index); }
  bool operator==(const CellLRP&) const = default;
};

// The state of a Task as the rep prints it. Any other name than these five makes the whole text undecodable.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"  // GCC warns wrongly: a scoped enumerator shadows nothing (models::kRunning)
enum class CellTaskState { kInvalid, kPending, kRunning, kCompleted, kResolving };
#pragma GCC diagnostic pop

struct CellTask {
  std::string task_guid;
  std::string domain;
  PlacementConstraint placement;
  ContainerResource resource;
  CellTaskState state = CellTaskState::kInvalid;  // always kInvalid in a work request
  bool failed = false;

  bool operator==(const CellTask&) const = default;
};

// GET /state.
struct CellState {
  std::string rep_url;
  std::string cell_id;
  std::int64_t cell_index = 0;
  RootFsProviders root_fs_providers;
  CellResources available;  // after reservations, proxy memory included
  CellResources total;
  NullableList<CellLRP> lrps = NullableList<CellLRP>::made();
  NullableList<CellTask> tasks = NullableList<CellTask>::made();
  std::int64_t starting_container_count = 0;
  std::string zone;
  bool evacuating = false;
  StringList volume_drivers;
  StringList placement_tags;  // required tags
  StringList optional_placement_tags;
  std::int64_t proxy_memory_allocation_mb = 0;  // per LRP with memory, 0 without the container proxy

  bool operator==(const CellState&) const = default;
};

// POST /work: the work for a cell; and its reply: the part that the cell did not accept.
struct Work {
  NullableList<CellLRP> lrps;
  NullableList<CellTask> tasks;
  std::string cell_id;  // left out when empty
  // In a reply: why an item was not accepted, by LRP identifier or task guid. Ours only: upstream neither sends nor
  // reads it.
  std::map<std::string, std::string> rejection_reasons;

  bool empty() const { return lrps.empty() && tasks.empty(); }
  bool operator==(const Work&) const = default;
};

// One JSON object, without a newline at its end (the rep's handlers add one).
std::string to_json(const CellState& state);
std::string to_json(const Work& work);

// Throw JsonError. Text after the value is an error for parse_cell_state and ignored by parse_work, as upstream.
CellState parse_cell_state(std::string_view json);
Work parse_work(std::string_view json);

}  // namespace rivera::models
