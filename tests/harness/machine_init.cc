#include "harness/machine_init.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <map>
#include <optional>
#include <poll.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/files.h"
#include "base/units.h"

namespace rivera::harness {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kRestartDelay{500};
constexpr std::size_t kLargestRequest = 64 * base::kKibibyte;

void must(int result, const std::string& what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
}

void mount_at(const char* source, const char* target, const char* type, unsigned long flags = 0) {
  must(::mount(source, target, type, flags, nullptr), fmt::format("mounting {} at {}", source, target));
}

// Puts a file of ours over one of the system. Its target may lie in a directory that is empty by now.
void replace_file(const fs::path& file, const fs::path& target) {
  const fs::path place = fs::weakly_canonical(target);
  if (!fs::exists(place)) {
    fs::create_directories(place.parent_path());
    base::write_file_atomically(place, "");
  }
  mount_at(file.c_str(), place.c_str(), "", MS_BIND);
}

// A network namespace shows its devices in a sysfs mounted inside of it; the control groups stay the host's.
void mount_own_sysfs() {
  fs::create_directory("/run/cgroup");
  mount_at("/sys/fs/cgroup", "/run/cgroup", "", MS_BIND | MS_REC);
  mount_at("sysfs", "/sys", "sysfs");
  mount_at("/run/cgroup", "/sys/fs/cgroup", "", MS_MOVE);
  fs::remove("/run/cgroup");
}

void set_up(const std::string& name, const fs::path& directory) {
  mount_at("none", "/", "", MS_REC | MS_PRIVATE);
  mount_at("proc", "/proc", "proc");
  mount_at("tmpfs", "/run", "tmpfs");
  mount_own_sysfs();
  replace_file(directory / "hosts", "/etc/hosts");
  replace_file(directory / "resolv.conf", "/etc/resolv.conf");
  replace_file(directory / "host.conf", "/etc/host.conf");
  must(::sethostname(name.data(), name.size()), "setting the host name");
}

std::string describe_end(int status) {
  if (WIFSIGNALED(status)) return fmt::format("killed by signal {}", WTERMSIG(status));
  return fmt::format("exit status {}", WEXITSTATUS(status));
}

struct Program {
  std::vector<std::string> argv;
  std::string log;
  bool restarts = false;
  pid_t pid = 0;  // 0: does not run
  int starts = 0;
  std::string end;  // of the last run
  std::optional<Clock::time_point> start_at;
};

class Init {
 public:
  int run() {
    sigset_t children{};
    ::sigemptyset(&children);
    ::sigaddset(&children, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &children, nullptr);
    const base::UniqueFd ended(::signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK));
    must(ended.get(), "signalfd");
    reply({{"ready", true}});
    for (;;) {
      pollfd events[] = {{kMachineControlFd, POLLIN, 0}, {ended.get(), POLLIN, 0}};
      ::poll(events, 2, milliseconds_to_next_start());
      if (events[1].revents != 0) reap(ended.get());
      start_due();
      if (events[0].revents != 0 && !answer()) return 0;
    }
  }

 private:
  static void reply(const json::object& message) {
    const std::string text = json::serialize(message);
    ::send(kMachineControlFd, text.data(), text.size(), MSG_NOSIGNAL);
  }

  // False once the test has ended.
  bool answer() {
    std::string text(kLargestRequest, '\0');
    const ssize_t size = ::recv(kMachineControlFd, text.data(), text.size(), 0);
    if (size <= 0) return size < 0 && errno == EINTR;
    text.resize(static_cast<std::size_t>(size));
    try {
      reply(carry_out(json::parse(text).as_object()));
    } catch (const std::exception& e) {
      reply({{"error", e.what()}});
    }
    return true;
  }

  json::object carry_out(const json::object& request) {
    const std::string what = json::value_to<std::string>(request.at("do"));
    if (what == "signal-all") {
      ::kill(-1, static_cast<int>(request.at("number").as_int64()));
      return {};
    }
    Program& program = programs_[json::value_to<std::string>(request.at("name"))];
    if (what == "start") {
      if (program.pid != 0) throw std::runtime_error("it runs already");
      program.argv = json::value_to<std::vector<std::string>>(request.at("argv"));
      program.log = json::value_to<std::string>(request.at("log"));
      program.restarts = request.at("restarts").as_bool();
      start(program);
    } else if (what == "signal") {
      program.restarts = request.at("restarts").as_bool();
      if (!program.restarts) program.start_at.reset();
      if (program.pid != 0) ::kill(program.pid, static_cast<int>(request.at("number").as_int64()));
    }
    return {{"pid", program.pid}, {"starts", program.starts}, {"end", program.end}};
  }

  static void start(Program& program) {
    std::vector<char*> argv;
    for (std::string& argument : program.argv) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const base::UniqueFd log(::open(program.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    must(log.get(), "opening " + program.log);
    const pid_t pid = ::fork();
    must(pid, "fork");
    if (pid == 0) {
      ::setsid();
      const int nothing = ::open("/dev/null", O_RDONLY);
      ::dup2(nothing, 0);
      ::dup2(log.get(), 1);
      ::dup2(log.get(), 2);
      ::close(kMachineControlFd);
      sigset_t none{};
      ::sigemptyset(&none);
      ::sigprocmask(SIG_SETMASK, &none, nullptr);
      ::execvp(argv.front(), argv.data());
      ::_exit(127);
    }
    program.pid = pid;
    program.start_at.reset();
    ++program.starts;
  }

  // Takes in every child that has ended; those of ended parents are ours too.
  void reap(int signals) {
    signalfd_siginfo discarded{};
    while (::read(signals, &discarded, sizeof discarded) > 0) {
    }
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      for (auto& [name, program] : programs_) {
        if (program.pid != pid) continue;
        program.pid = 0;
        program.end = describe_end(status);
        if (program.restarts) program.start_at = Clock::now() + kRestartDelay;
      }
    }
  }

  int milliseconds_to_next_start() const {
    int wait = -1;
    for (const auto& [name, program] : programs_) {
      if (!program.start_at) continue;
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(*program.start_at - Clock::now());
      const int rounded = std::max(0, static_cast<int>(left.count()) + 1);
      wait = wait < 0 ? rounded : std::min(wait, rounded);
    }
    return wait;
  }

  void start_due() {
    for (auto& [name, program] : programs_) {
      if (program.start_at && *program.start_at <= Clock::now()) start(program);
    }
  }

  std::map<std::string, Program> programs_;
};

}  // namespace

int run_machine(const std::string& name, const fs::path& directory) {
  ::fcntl(kMachineControlFd, F_SETFD, FD_CLOEXEC);
  try {
    set_up(name, directory);
  } catch (const std::exception& e) {
    const std::string text = json::serialize(json::object{{"error", e.what()}});
    ::send(kMachineControlFd, text.data(), text.size(), MSG_NOSIGNAL);
    return 1;
  }
  return Init().run();
}

}  // namespace rivera::harness
