// Processes that outlive the process that started them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "cluster/settings/process_table.h"

namespace rivera::cluster {

// Starts a program in a session of its own that outlives us: a daemon. Its output is appended to a file. Returns its
// id. Throws std::system_error.
pid_t start_daemon(const std::vector<std::string>& argv, const std::filesystem::path& log_file);

// Records a process across restarts of its starter: its id and its start time, which together are unique. Throws
// std::system_error.
void write_pid_file(const std::filesystem::path& file, pid_t pid);
// The process the file names if it still runs; nullopt if not, or if there is no such file.
std::optional<pid_t> read_pid_file(const std::filesystem::path& file);

// Ends processes that are not our children: SIGTERM, after `grace_seconds` SIGKILL; returns when all have ended, or 5 s
// after the SIGKILL. A process that has taken over an id is not touched. Blocks.
void terminate_processes(const std::vector<RunningProcess>& processes, int grace_seconds);

}  // namespace rivera::cluster
