// What garden knows of one container: the part that is kept on disk, and the part that is not.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/files.h"
#include "clients/garden/garden_types.h"
#include "garden/host/cgroups.h"
#include "garden/images/image_store.h"
#include "garden/network/network.h"

namespace rivera::garden {

// Written to <depot>/<handle>/state.json at every change, so that a crash of garden loses nothing (docs/spec/garden.md
// §5.2 "journal properties").
struct ContainerRecord {
  std::string handle;
  clients::garden::Properties properties;
  std::vector<std::string> env;
  bool privileged = false;
  clients::garden::Limits limits;
  std::int64_t grace_time_ns = 0;
  std::int64_t created_at_ns = 0;  // Unix
  Image image;
  std::optional<ContainerNetwork> network;
  std::string runtime_id;
  // The first process: its number, its start time and the boot it ran in name it for good.
  std::int64_t init_pid = 0;
  std::uint64_t init_start_time = 0;
  std::string boot_id;
  std::map<std::string, std::string> cgroup_paths;
  std::uint64_t oom_kills = 0;  // reported already

  std::string to_json() const;
  // Throws std::runtime_error if it is no record.
  static ContainerRecord from_json(const std::string& text);
};

struct Container {
  ContainerRecord record;
  std::string directory;  // <depot>/<handle>
  base::UniqueFd init;    // pidfd; none if the first process is gone
  Cgroups cgroups;

  bool is_being_created = false;
  bool is_being_destroyed = false;
  std::chrono::steady_clock::time_point operation_since{};  // when that began
  bool must_go = false;  // found unusable at start: destroyed in the background until it works

  // Requests in progress; while there are any the grace time does not run (§1.10).
  int users = 0;
  std::chrono::steady_clock::time_point last_used{};

  // Names of processes being started or running, and the order in which others ended.
  std::set<std::string> live_processes;
  std::vector<std::string> ended_processes;

  // What the container has written to disk, looked at now and then.
  std::uint64_t exclusive_bytes = 0;
  std::chrono::steady_clock::time_point exclusive_bytes_at{};
  bool is_measuring_disk = false;

  std::string property(const std::string& key) const;
  std::string process_directory(const std::string& process) const { return directory + "/processes/" + process; }
};

// Names of properties that garden itself sets (§1.12, §3.8).
inline constexpr const char* kStateProperty = "garden.state";
inline constexpr const char* kGraceTimeProperty = "garden.grace-time";
inline constexpr const char* kEventsProperty = "rundmc.events";
inline constexpr const char* kRunStateProperty = "rundmc.state";
inline constexpr const char* kMappedPortsProperty = "garden.network.mapped-ports";

// Does a handle or process id make a path component? Throws clients::garden::GardenError if not.
void check_name(const std::string& what, const std::string& name);

}  // namespace rivera::garden
