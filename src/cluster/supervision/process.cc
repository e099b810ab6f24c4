#include "cluster/supervision/process.h"

#include <algorithm>
#include <chrono>
#include <signal.h>
#include <sstream>
#include <system_error>
#include <thread>

#include <fmt/format.h>

#include "base/files.h"
#include "base/process/child_process.h"

namespace rivera::cluster {
namespace {

namespace fs = std::filesystem;

// Field 22 of /proc/<pid>/stat, in clock ticks since boot; "" if there is no such process or it is a zombie.
std::string start_time_of(pid_t pid) {
  std::string stat;
  try {
    stat = base::read_file(fmt::format("/proc/{}/stat", pid));
  } catch (const std::system_error&) {
    return "";
  }
  const auto after_name = stat.rfind(')');  // the name may hold anything
  if (after_name == std::string::npos) return "";
  std::istringstream rest(stat.substr(after_name + 1));
  std::string word;
  for (int field = 3; rest >> word; ++field) {
    if (field == 3 && (word == "Z" || word == "X")) return "";
    if (field == 22) return word;
  }
  return "";
}

}  // namespace

pid_t start_daemon(const std::vector<std::string>& argv, const fs::path& log_file) {
  base::ChildOptions options;
  options.group = base::ProcessGroup::kOwnSession;
  base::ChildProcess daemon = base::start_logged(argv, log_file, options);
  daemon.release();
  return daemon.pid();
}

void write_pid_file(const fs::path& file, pid_t pid) {
  base::write_file_atomically(file, fmt::format("{} {}\n", pid, start_time_of(pid)));
}

std::optional<pid_t> read_pid_file(const fs::path& file) {
  if (!fs::exists(file)) return std::nullopt;
  std::istringstream text(base::read_file(file));
  pid_t pid = 0;
  std::string start_time;
  if (!(text >> pid >> start_time) || pid <= 1) return std::nullopt;
  if (start_time_of(pid) != start_time) return std::nullopt;
  return pid;
}

void terminate_processes(const std::vector<pid_t>& pids, int grace_seconds) {
  using Clock = std::chrono::steady_clock;
  const auto is_gone = [](pid_t pid) { return start_time_of(pid).empty(); };
  const auto all_gone_by = [&](Clock::time_point deadline) {
    while (!std::all_of(pids.begin(), pids.end(), is_gone)) {
      if (Clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
  };
  for (const pid_t pid : pids) ::kill(pid, SIGTERM);
  if (all_gone_by(Clock::now() + std::chrono::seconds(grace_seconds))) return;
  for (const pid_t pid : pids) ::kill(pid, SIGKILL);
  all_gone_by(Clock::now() + std::chrono::seconds(5));
}

}  // namespace rivera::cluster
