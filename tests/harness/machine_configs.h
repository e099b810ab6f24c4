// Configuration files of the programs on one machine of a test cluster.
#pragma once

#include <string>
#include <vector>

#include "cluster/settings/settings.h"
#include "harness/cluster_plan.h"

namespace rivera::harness {

// The names by which programs know each other; every machine's hosts file has them, with the address of each machine
// where that program runs.
std::string service_name(const std::string& program);

// Writes what `./run` would, and then changes what is different where there are several machines. `cell` is the
// machine's part of the plan, or nullptr. `database_address`: of the PostgreSQL server, or the directory of the files.
void write_machine_configs(const cluster::Settings& settings, const ClusterPlan& plan, const std::string& machine,
                           const CellPlan* cell, const std::string& database);

// The command that starts a program. Throws std::invalid_argument if there is no such program.
std::vector<std::string> command_of(const cluster::Settings& settings, const std::string& program);

}  // namespace rivera::harness
