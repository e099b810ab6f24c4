// What the kernel's control groups know of a container (docs/spec/garden.md §2.11, §2.15, §2.16), on hosts with one
// unified hierarchy and on hosts with one per controller.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <sys/types.h>
#include <vector>

#include "clients/garden/garden_types.h"

namespace rivera::garden {

// The directories of one group. Kept with the container: where it is depends on who made it.
class Cgroups {
 public:
  Cgroups() = default;
  // Those of a process, which must be in a group of its own below a group named `parent`. Throws std::runtime_error.
  static Cgroups of_process(pid_t pid, const std::string& parent);
  // From paths() of an earlier life.
  explicit Cgroups(std::map<std::string, std::string> paths) : paths_(std::move(paths)) {}

  // Directory by controller; "" is the unified hierarchy.
  const std::map<std::string, std::string>& paths() const { return paths_; }

  // Fills memory, cpu and pid figures. A figure that cannot be read is 0; throws std::runtime_error if the group is
  // gone.
  void read_metrics(clients::garden::ContainerMetrics& metrics) const;
  // How many processes the kernel has killed for want of memory; 0 if unknown.
  std::uint64_t oom_kills() const;
  // Every process of the group and of groups below it.
  std::vector<pid_t> processes() const;
  // The directories that all containers of this server share.
  std::set<std::string> parents() const;
  // Takes the directories away, with those below them; tries for a moment while processes die.
  void remove() const;

 private:
  std::string directory(const std::string& controller) const;
  std::map<std::string, std::string> paths_;
};

// The group all containers of a server are in, below the runtime's own: "garden" or "garden-<tag>".
std::string cgroup_parent(const std::string& tag);

// Ends whatever still runs in these groups and removes them: for when every container is gone. Blocks for a moment.
void clear_cgroups(const std::set<std::string>& directories);

}  // namespace rivera::garden
