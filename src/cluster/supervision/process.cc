#include "cluster/supervision/process.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sstream>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <fmt/format.h>

#include "base/files.h"

extern char** environ;

namespace rivera::cluster {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

base::UniqueFd open_log(const fs::path& file) {
  base::UniqueFd log(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!log) fail(errno, "cannot open " + file.string());
  return log;
}

// `flag`: POSIX_SPAWN_SETPGROUP or POSIX_SPAWN_SETSID.
pid_t spawn(const std::vector<std::string>& argv, int output, int flag) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, 1);
  posix_spawn_file_actions_adddup2(&actions, output, 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t defaults;
  sigemptyset(&none);
  sigfillset(&defaults);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, static_cast<short>(flag | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
  std::vector<char*> pointers;
  for (const std::string& argument : argv) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  pid_t pid = -1;
  const int rc = ::posix_spawnp(&pid, pointers[0], &actions, &attributes, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (rc != 0) fail(rc, "cannot start " + argv[0]);
  return pid;
}

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

std::string describe(int status) {
  if (WIFEXITED(status)) return fmt::format("exit status {}", WEXITSTATUS(status));
  return fmt::format("killed by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
}

}  // namespace

struct ChildProcess::Handle {
  asio::posix::stream_descriptor pidfd;
};

ChildProcess::ChildProcess(asio::any_io_executor executor, const std::vector<std::string>& argv,
                           const fs::path& log_file) {
  pid_ = spawn(argv, open_log(log_file).get(), POSIX_SPAWN_SETPGROUP);
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (pidfd < 0) fail(errno, "pidfd_open");
  handle_ = std::make_unique<Handle>(Handle{asio::posix::stream_descriptor(executor, pidfd)});
}

ChildProcess::~ChildProcess() = default;

asio::awaitable<std::string> ChildProcess::ended() {
  co_await handle_->pidfd.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  reaped_ = true;
  co_return describe(status);
}

void ChildProcess::signal(int number) {
  if (!reaped_) ::kill(pid_, number);
}

pid_t start_daemon(const std::vector<std::string>& argv, const fs::path& log_file) {
  return spawn(argv, open_log(log_file).get(), POSIX_SPAWN_SETSID);
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
