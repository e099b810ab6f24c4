// The control group hierarchies that containers need (docs/spec/garden.md §2.11).
#pragma once

#include <string>
#include <vector>

namespace rivera::garden {

// The enabled controllers of a /proc/cgroups that no hierarchy of their own has. Pure.
std::vector<std::string> controllers_without_hierarchy(const std::string& proc_cgroups);

// On a host with a hierarchy for each controller: mounts one below /sys/fs/cgroup for each that has none, as upstream
// does. crun refuses a host where some controllers are on the unified hierarchy and others are not. Nothing happens on
// a host with one unified hierarchy. The mounts stay: other programs may use them by then. Returns what it mounted.
// Blocks. Throws std::system_error.
std::vector<std::string> mount_cgroup_hierarchies();

}  // namespace rivera::garden
