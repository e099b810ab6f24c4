// The processes of this machine, as /proc shows them.
#pragma once

#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

#include "cluster/settings/settings.h"

namespace rivera::cluster {

struct RunningProcess {
  pid_t pid = 0;
  // In clock ticks since boot. Together with `pid` it is unique.
  std::string start_time;
  std::vector<std::string> arguments;

  // The file name of the program: "bbs".
  std::string program() const;
  // The value of "--name value" or "--name=value"; "" if it is not there.
  std::string flag(const std::string& name) const;
};

// "" if there is no such process or it has ended and was not reaped.
std::string start_time_of(pid_t pid);

// Every other process of this user that has not ended and is in no container: what others call themselves is not
// believed. O(processes).
std::vector<RunningProcess> running_processes();

// Whether the process belongs to the cluster in this directory: it writes to a log of the cluster, wherever its
// directory has been moved since, or an argument is a path below the directory. A process of a copy is not one.
bool belongs_to(const RunningProcess& process, const Settings& settings);

// The processes of the cluster: its supervisor, its components and what garden starts beside containers. They are found
// without pid files, which a full disk or a killed supervisor may have kept from being written.
std::vector<RunningProcess> processes_of(const Settings& settings);

bool is_supervisor(const RunningProcess& process);

}  // namespace rivera::cluster
