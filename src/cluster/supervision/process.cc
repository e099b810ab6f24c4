#include "cluster/supervision/process.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <poll.h>
#include <signal.h>
#include <sstream>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/files.h"
#include "base/process/child_process.h"

namespace rivera::cluster {
namespace {

namespace fs = std::filesystem;

using Clock = std::chrono::steady_clock;

// A process behind a descriptor, which never stands for another one with the same id.
class Target {
 public:
  explicit Target(const RunningProcess& process) : pidfd_(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0))) {
    if (start_time_of(process.pid) != process.start_time) pidfd_.reset();
  }

  void signal(int number) const {
    if (pidfd_) ::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
  }

  // Whether it has ended, waiting until `deadline` for that.
  bool ends_by(Clock::time_point deadline) const {
    if (!pidfd_) return true;
    for (;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
      pollfd process{pidfd_.get(), POLLIN, 0};
      const int n = ::poll(&process, 1, static_cast<int>(std::clamp<long>(left, 0, 1'000'000)));
      if (n > 0) return true;
      if (n == 0 && left <= 0) return false;
      if (n < 0 && errno != EINTR) return false;
    }
  }

 private:
  base::UniqueFd pidfd_;
};

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

void terminate_processes(const std::vector<RunningProcess>& processes, int grace_seconds) {
  std::vector<Target> targets;
  for (const RunningProcess& process : processes) targets.emplace_back(process);
  const auto all_end_by = [&targets](Clock::time_point deadline) {
    return std::ranges::all_of(targets, [&](const Target& target) { return target.ends_by(deadline); });
  };
  for (const Target& target : targets) target.signal(SIGTERM);
  if (all_end_by(Clock::now() + std::chrono::seconds(grace_seconds))) return;
  for (const Target& target : targets) target.signal(SIGKILL);
  all_end_by(Clock::now() + std::chrono::seconds(5));
}

}  // namespace rivera::cluster
