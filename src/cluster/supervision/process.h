// A child process whose output goes to a log file.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/asio.h"

namespace rivera::cluster {

// A running (or ended) child. In a process group of its own, so that a terminal's Ctrl-C does not reach it; its
// standard output and error are appended to a file. Destroying the object leaves the process alone.
class ChildProcess {
 public:
  // Throws std::system_error("cannot start PROGRAM: ...").
  ChildProcess(asio::any_io_executor executor, const std::vector<std::string>& argv,
               const std::filesystem::path& log_file);
  ~ChildProcess();

  pid_t pid() const { return pid_; }
  // Waits for its end and reaps it: "exit status 1", "killed by signal 9 (Killed)". Call it once.
  asio::awaitable<std::string> ended();
  // Nothing happens to one that has been reaped.
  void signal(int number);

 private:
  struct Handle;
  pid_t pid_ = -1;
  bool reaped_ = false;
  std::unique_ptr<Handle> handle_;
};

// Starts a daemon: a program in a session of its own, which is never waited for. Returns its id. Throws
// std::system_error.
pid_t start_daemon(const std::vector<std::string>& argv, const std::filesystem::path& log_file);

// Remembers a process across restarts of who started it: its id and its start time, which together are unique.
void write_pid_file(const std::filesystem::path& file, pid_t pid);
// The process the file names if it still runs; nullopt if not, or if there is no such file.
std::optional<pid_t> read_pid_file(const std::filesystem::path& file);

// Ends processes that are not our children: SIGTERM, after `grace_seconds` SIGKILL; returns when all are gone. Blocks.
void terminate_processes(const std::vector<pid_t>& pids, int grace_seconds);

}  // namespace rivera::cluster
