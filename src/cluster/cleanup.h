// Leaves nothing behind: what follows the end of the cluster's processes.
#pragma once

#include <string>
#include <vector>

#include "cluster/settings/settings.h"

namespace rivera::cluster {

// Ends every process the pid files name, supervisor first. Blocks.
void end_processes(const Settings& settings);

// Destroys every container (garden cleanup). Throws Problem with the end of its output if that fails.
void destroy_containers(const Settings& settings);

// What is still there of the cluster, one line each: mounts below its directory, network interfaces, firewall rules and
// cgroups with its tag. Empty when all is well.
std::vector<std::string> leftovers(const Settings& settings);

}  // namespace rivera::cluster
