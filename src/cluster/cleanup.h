// Cleans up after the end of the cluster's processes.
#pragma once

#include <string>
#include <vector>

#include "cluster/settings/settings.h"

namespace rivera::cluster {

// Ends every process of the cluster except those of containers, supervisor first. Throws Problem naming those that do
// not end. Blocks.
void end_processes(const Settings& settings);

// Whether garden has records of containers.
bool has_containers(const Settings& settings);

// Destroys every container (garden cleanup). Throws Problem with the end of its output if that fails.
void destroy_containers(const Settings& settings);

// A directory that was moved while its cluster ran cannot be cleaned up from its new place. Throws Problem if processes
// of the cluster run.
void require_not_running_after_move(const Settings& settings);

// Removes what is bound to the place of the cluster: the records of containers, which in a copy belong to another
// cluster, with unpacked images and downloads.
void forget_containers(const Settings& settings);

// What is still there of the cluster, one line each: processes, mounts below its directory, network interfaces,
// firewall rules and control groups with its tag. Empty if nothing is left.
std::vector<std::string> leftovers(const Settings& settings);

}  // namespace rivera::cluster
