// One container: what is kept on disk, and what is known only while the server runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <sys/types.h>
#include <typeindex>
#include <vector>

#include <boost/json/object.hpp>

#include "base/files.h"
#include "clients/garden/garden_types.h"
#include "garden/host/cgroups.h"
#include "garden/ids/id_mapping.h"

namespace rivera::garden {

// What is done to a container. An operation that a crash interrupted is undone (create) or finished (destroy) at the
// next start.
enum class Operation { kNone, kCreate, kDestroy };

// A process with an image of its own (docs/spec/garden.md §2.14): what must be removed once it has ended.
struct Pea {
  std::string id;  // the process's; no container and no other pea of this host has it
  std::string runtime_id;
  // Absent: the container's limits count for it too. Present: its own and no others.
  std::optional<clients::garden::ProcessLimits> limits;
  std::int64_t created_at_ns = 0;  // Unix
  Cgroups cgroups;
};

// The content of <depot>/<handle>/state.json. Written by Journal at every change, so that a crash loses nothing
// (docs/spec/garden.md §5.2).
struct ContainerRecord {
  std::string handle;
  clients::garden::Properties properties;
  std::vector<std::string> env;
  bool privileged = false;
  clients::garden::Limits limits;
  std::int64_t grace_time_ns = 0;
  std::int64_t created_at_ns = 0;  // Unix
  Operation operation = Operation::kNone;
  std::set<std::string> begun;  // names of the parts that may have made something that must be cleaned up
  boost::json::object parts;    // what each part keeps, by its name
  // By id. Noted before anything of a pea is made and struck out when all of it is removed.
  std::map<std::string, Pea> peas;

  std::string to_json() const;
  // Reads version 2, and version 1 of earlier servers. Throws std::runtime_error if it is neither.
  static ContainerRecord from_json(const std::string& text);
};

struct Container : std::enable_shared_from_this<Container> {
  ContainerRecord record;
  std::string directory;  // <depot>/<handle>
  // Where files lie that are bound into the container and that it may write: on its own disk if it has a limit. "": in
  // `directory`.
  std::string files_directory;
  bool has_directory = false;
  // The directory, through which its shim is reached; opened at the first use.
  std::shared_ptr<const base::UniqueFd> opened_directory;

  // Set by the parts: the user namespace's mapping and its owner (0: the container has none of its own), the OCI
  // runtime and the name it knows the container by, its first process, its control groups.
  IdMapping mapping;
  IdMapping::Range own_ids;  // of `mapping`, if no other container has them; else its length is 0
  std::uint32_t user_namespace_owner = 0;
  std::string runtime;
  std::string runtime_id;
  pid_t init_pid = 0;
  base::UniqueFd init;  // pidfd; none if the first process has ended
  // While the container is created: the network namespace that its first process will be in. Shared with work that uses
  // it.
  std::shared_ptr<const base::UniqueFd> network_namespace;
  Cgroups cgroups;

  bool is_being_created = false;
  bool is_being_destroyed = false;
  std::chrono::steady_clock::time_point operation_since{};  // when that began
  bool must_be_destroyed = false;  // unusable: the upkeep destroys it, and tries again after a failure

  // Requests in progress; while there are any the grace time does not run (§1.10).
  int users = 0;
  std::chrono::steady_clock::time_point last_used{};

  // Processes that are starting or running, by id, with their host pids: 0 while this server starts one, kAnyPid while
  // one is starting that an earlier server began. Those that have ended, oldest first. Ends that were reported before
  // this server knew the pid.
  static constexpr pid_t kAnyPid = -1;
  std::map<std::string, pid_t> live_processes;
  std::vector<std::string> ended_processes;
  std::map<std::string, pid_t> early_ends;

  // Set by a part that changed the record outside an operation: the caller saves it.
  bool has_unsaved_changes = false;

  std::string property(const std::string& key) const;
  std::string file_path(const std::string& name) const {
    return (files_directory.empty() ? directory : files_directory) + "/" + name;
  }
  std::string process_directory(const std::string& process) const { return directory + "/processes/" + process; }

  // A part's own state of this container, one object per type; made empty at the first use, dropped by forget().
  template <typename State>
  State& state() {
    auto& slot = states_[std::type_index(typeid(State))];
    if (!slot) slot = std::make_shared<State>();
    return *static_cast<State*>(slot.get());
  }
  // nullptr if there is none.
  template <typename State>
  const State* find_state() const {
    const auto found = states_.find(std::type_index(typeid(State)));
    return found == states_.end() ? nullptr : static_cast<const State*>(found->second.get());
  }
  template <typename State>
  void forget() {
    states_.erase(std::type_index(typeid(State)));
  }

 private:
  std::map<std::type_index, std::shared_ptr<void>> states_;
};

using ContainerPtr = std::shared_ptr<Container>;
using Containers = std::map<std::string, ContainerPtr>;  // by handle

// Names of properties that garden itself sets (§1.12); the network's are in §3.8.
inline constexpr const char* kStateProperty = "garden.state";
inline constexpr const char* kGraceTimeProperty = "garden.grace-time";
inline constexpr const char* kEventsProperty = "rundmc.events";
inline constexpr const char* kRunStateProperty = "rundmc.state";

// Throws clients::garden::GardenError if a handle or process id cannot be a path component, or has
// control characters.
void check_name(const std::string& what, const std::string& name);

}  // namespace rivera::garden
