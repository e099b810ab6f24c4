#include "base/process/child_process.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <mutex>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <fmt/format.h>

#include "base/work/cancellation.h"

extern char** environ;

namespace rivera::base {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

// Children that no object owns any longer: released, or killed and not yet ended.
class Leftovers {
 public:
  void add(pid_t pid) noexcept {
    const std::lock_guard lock(mutex_);
    try {
      pids_.push_back(pid);
    } catch (const std::bad_alloc&) {  // it stays a zombie until we end
    }
  }

  void reap() {
    const std::lock_guard lock(mutex_);
    std::erase_if(pids_, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
  }

 private:
  std::mutex mutex_;
  std::vector<pid_t> pids_;
};

Leftovers& leftovers() {
  static auto* const all = new Leftovers;
  return *all;
}

std::vector<std::string> environment_of(const ChildOptions& options) {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string name(text.substr(0, text.find('=')));
    if (!usual_variables().contains(name) && !options.inherited.contains(name)) continue;
    if (!options.variables.contains(name)) out.emplace_back(text);
  }
  for (const auto& [name, value] : options.variables) out.push_back(name + "=" + value);
  return out;
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

struct FileActions {
  posix_spawn_file_actions_t native{};
  FileActions() { ::posix_spawn_file_actions_init(&native); }
  ~FileActions() { ::posix_spawn_file_actions_destroy(&native); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
};

struct Attributes {
  posix_spawnattr_t native{};
  Attributes() { ::posix_spawnattr_init(&native); }
  ~Attributes() { ::posix_spawnattr_destroy(&native); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
};

// What posix_spawn() does in the child, in order.
class SpawnActions {
 public:
  explicit SpawnActions(const ChildOptions& options) {
    place(options.input, 0, O_RDONLY);
    place(options.output, 1, O_WRONLY);
    place(options.error, 2, O_WRONLY);
    if (options.passed >= 0) place(options.passed, 3, O_RDWR);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_.native, options.passed >= 0 ? 4 : 3);
    if (!options.directory.empty()) {
      ::posix_spawn_file_actions_addchdir_np(&actions_.native, options.directory.c_str());
    }
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_.native, &none);
    ::posix_spawnattr_setsigdefault(&attributes_.native, &all);
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (options.group == ProcessGroup::kOwn) flags |= POSIX_SPAWN_SETPGROUP;
    if (options.group == ProcessGroup::kOwnSession) flags |= POSIX_SPAWN_SETSID;
    ::posix_spawnattr_setflags(&attributes_.native, static_cast<short>(flags));
  }

  pid_t spawn(const std::vector<std::string>& argv, const std::vector<std::string>& environment) const {
    pid_t pid = -1;
    const int error = ::posix_spawnp(&pid, argv[0].c_str(), &actions_.native, &attributes_.native,
                                     pointers_to(argv).data(), pointers_to(environment).data());
    if (error != 0) fail(error, "cannot start " + argv[0]);
    return pid;
  }

 private:
  // By a copy above the numbers that the child's own will have: no duplication overwrites one that is still needed.
  void place(int fd, int number, int mode) {
    if (fd < 0) {
      ::posix_spawn_file_actions_addopen(&actions_.native, number, "/dev/null", mode, 0);
      return;
    }
    UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 10));
    if (!copy) fail(errno, "cannot duplicate a descriptor");
    ::posix_spawn_file_actions_adddup2(&actions_.native, copy.get(), number);
    copies_.push_back(std::move(copy));
  }

  FileActions actions_;
  Attributes attributes_;
  std::vector<UniqueFd> copies_;
};

// Whether the process has ended, waiting until `deadline` for it.
bool ends_by(int pidfd, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd process{pidfd, POLLIN, 0};
    const int n = ::poll(&process, 1, static_cast<int>(std::clamp<long>(left, 0, 1'000'000)));
    if (n > 0) return true;
    if (n < 0 && errno != EINTR) return false;
    if (left <= 0) return false;
  }
}

}  // namespace

const std::set<std::string>& usual_variables() {
  static const std::set<std::string> names = {
      "PATH",   "HOME",         "LANG",          "LC_ALL",       "LC_CTYPE",     "TZ",
      "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "ASAN_SYMBOLIZER_PATH",
  };
  return names;
}

Pipe::Pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail(errno, "cannot make a pipe");
  read_end.reset(ends[0]);
  write_end.reset(ends[1]);
}

ChildProcess::ChildProcess(const std::vector<std::string>& argv, const ChildOptions& options)
    : has_own_group_(options.group != ProcessGroup::kOurs) {
  if (argv.empty()) throw std::invalid_argument("no program to start was given");
  leftovers().reap();
  // A descriptor for the pidfd is set aside while a failure is still harmless.
  UniqueFd set_aside(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!set_aside) fail(errno, "cannot start " + argv[0]);
  const auto environment = environment_of(options);
  pid_ = SpawnActions(options).spawn(argv, environment);
  set_aside.reset();
  pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (pidfd_) return;
  const int error = errno;
  ::kill(has_own_group_ ? -pid_ : pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  fail(error, "cannot watch " + argv[0]);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)),
      has_own_group_(other.has_own_group_),
      status_(std::exchange(other.status_, std::nullopt)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this == &other) return *this;
  kill();
  pid_ = std::exchange(other.pid_, -1);
  pidfd_ = std::move(other.pidfd_);
  has_own_group_ = other.has_own_group_;
  status_ = std::exchange(other.status_, std::nullopt);
  return *this;
}

ChildProcess::~ChildProcess() { kill(); }

void ChildProcess::signal(int number) const {
  if (pidfd_ && !status_) ::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
}

void ChildProcess::signal_group(int number) const {
  // Until it has been reaped, its id, and that of its group, are no other's.
  if (!has_own_group_) return signal(number);
  if (pidfd_ && !status_) ::kill(-pid_, number);
}

std::optional<int> ChildProcess::wait_for(std::chrono::nanoseconds limit) {
  if (!status_ && ends_by(pidfd_.get(), Clock::now() + limit)) reap();
  return status_;
}

void ChildProcess::reap() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) != pid_) {
    if (errno != EINTR) fail(errno, "cannot wait for a child");
  }
  status_ = status;
}

void ChildProcess::kill(std::chrono::nanoseconds limit) noexcept {
  if (!pidfd_ || status_) return;
  signal_group(SIGKILL);
  signal(SIGKILL);
  if (!ends_by(pidfd_.get(), Clock::now() + limit)) return release();
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
  pidfd_.reset();
}

void ChildProcess::release() noexcept {
  if (pidfd_ && !status_) leftovers().add(pid_);
  pidfd_.reset();
}

asio::awaitable<int> ChildProcess::ended() {
  if (status_) co_return *status_;
  const int copy = ::fcntl(pidfd_.get(), F_DUPFD_CLOEXEC, 0);
  if (copy < 0) fail(errno, "cannot wait for a child");
  asio::posix::stream_descriptor watched(co_await asio::this_coro::executor, copy);
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  while (!try_wait()) {
    co_await watched.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
    if (is_cancelled(cancellation)) throw_cancellation();
  }
  co_return *status_;
}

ChildProcess start_logged(const std::vector<std::string>& argv, const std::filesystem::path& log_file,
                          ChildOptions options) {
  const UniqueFd log(::open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log) fail(errno, "cannot open " + log_file.string());
  options.output = log.get();
  options.error = log.get();
  return ChildProcess(argv, options);
}

int exit_status_of(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

std::string describe_end(int wait_status) {
  if (WIFEXITED(wait_status)) return fmt::format("exit status {}", WEXITSTATUS(wait_status));
  const int number = WTERMSIG(wait_status);
  return fmt::format("killed by signal {} ({})", number, ::strsignal(number));
}

}  // namespace rivera::base
