// A container's control groups: figures, processes, removal (docs/spec/garden.md §2.11, §2.15, §2.16). For hosts with
// one unified hierarchy and for hosts with one hierarchy per controller. Every function that reads or changes them
// blocks.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <sys/types.h>
#include <vector>

#include "clients/garden/garden_types.h"

namespace rivera::garden {

// The directories of one group. They are kept with the container: they depend on the group that the runtime ran in.
class Cgroups {
 public:
  Cgroups() = default;
  // Those of a process, which must be in a group of its own below a group named `parent`. Throws std::runtime_error.
  static Cgroups of_process(pid_t pid, const std::string& parent);
  // Those that a runtime makes for the group `path` ("garden/handle") where each controller has its hierarchy: below
  // this process's own group in each, or below its root. Where there is one hierarchy, always below its root (§2.11).
  // They may not exist.
  static Cgroups expected(const std::string& path, bool is_below_own_group);
  // From paths() of an earlier server run.
  explicit Cgroups(std::map<std::string, std::string> paths) : paths_(std::move(paths)) {}

  // Directory by controller; "" is the unified hierarchy.
  const std::map<std::string, std::string>& paths() const { return paths_; }

  // Fills memory, cpu and pid figures. A figure that cannot be read is 0; throws std::runtime_error if the group is
  // gone.
  void read_metrics(clients::garden::ContainerMetrics& metrics) const;
  // How many processes the kernel has killed because memory ran out; 0 if unknown.
  std::uint64_t oom_kills() const;
  // The directories of its own that a process must be in for its memory, processor time and input to count as theirs.
  std::vector<std::string> accounting_directories() const;
  // Every process of the group and of groups below it.
  std::vector<pid_t> processes() const;
  // Sends a signal to each of these processes that is still a member; the number of one that has ended may belong to
  // another process by now.
  void signal(const std::vector<pid_t>& pids, int signal) const;
  // The directories that all containers of this server share.
  std::set<std::string> parents() const;
  // Of those, the ones in which nothing is.
  void remove_empty_parents() const;
  // Removes the directories and those below them; waits up to 5 s for processes that are ending. Throws
  // std::runtime_error.
  void remove() const;

 private:
  std::string directory(const std::string& controller) const;
  std::map<std::string, std::string> paths_;
};

// The group all containers of a server are in, below the runtime's own: "garden" or "garden-<tag>".
std::string cgroup_parent(const std::string& tag);

// Kills what still runs in these groups and removes them, once every container is destroyed. Takes up to a second.
void clear_cgroups(const std::set<std::string>& directories);

}  // namespace rivera::garden
