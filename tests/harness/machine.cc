#include "harness/machine.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sched.h>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <fmt/format.h>

#include "harness/cluster_client.h"
#include "harness/log_tail.h"
#include "harness/machine_init.h"

namespace rivera::harness {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using std::chrono::seconds;

constexpr int kNamespaces = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC;
constexpr seconds kAnswerLimit{30};
constexpr seconds kRunLimit{120};

// The child of a program that may have threads: system calls only.
[[noreturn]] void become_first_process(int control, char* const* argv) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (control == kMachineControlFd) {
    ::fcntl(control, F_SETFD, 0);
  } else {
    ::dup2(control, kMachineControlFd);
  }
  ::execv(argv[0], argv);
  ::_exit(127);
}

}  // namespace

Machine::Machine(std::string name, fs::path directory, NameFiles names)
    : name_(std::move(name)), directory_(std::move(directory)), names_(std::move(names)) {
  fs::create_directories(directory_ / "log");
}

Machine::~Machine() { kill(); }

fs::path Machine::log_file(const std::string& program) const { return directory_ / "log" / (program + ".log"); }

void Machine::boot() {
  base::write_file_atomically(directory_ / "hosts", names_.hosts);
  base::write_file_atomically(directory_ / "resolv.conf", names_.resolv_conf);
  base::write_file_atomically(directory_ / "host.conf", "multi on\n");  // all addresses of a name
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    throw std::system_error(errno, std::generic_category(), "socketpair");
  }
  control_.reset(ends[0]);
  const base::UniqueFd theirs(ends[1]);
  const timeval limit{.tv_sec = kAnswerLimit.count(), .tv_usec = 0};
  ::setsockopt(control_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);

  std::vector<std::string> arguments{fs::read_symlink("/proc/self/exe").string(), kMachineFlag, name_,
                                     directory_.string()};
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const auto pid = static_cast<pid_t>(::syscall(SYS_clone, kNamespaces | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  if (pid < 0) throw std::system_error(errno, std::generic_category(), "making the namespaces of " + name_);
  if (pid == 0) become_first_process(theirs.get(), argv.data());
  first_process_ = pid;
  receive();  // it is ready
}

void Machine::kill() {
  if (first_process_ <= 0) return;
  ::kill(first_process_, SIGKILL);
  while (::waitpid(first_process_, nullptr, 0) < 0 && errno == EINTR) {
  }
  first_process_ = 0;
  control_.reset();
}

void Machine::pause() { call({{"do", "signal-all"}, {"number", SIGSTOP}}); }
void Machine::resume() { call({{"do", "signal-all"}, {"number", SIGCONT}}); }

void Machine::start(const std::string& program, const std::vector<std::string>& argv) {
  call({{"do", "start"},
        {"name", program},
        {"argv", json::value_from(argv)},
        {"log", log_file(program).string()},
        {"restarts", true}});
}

void Machine::run(const std::string& name, const std::vector<std::string>& argv) {
  call({{"do", "start"},
        {"name", name},
        {"argv", json::value_from(argv)},
        {"log", log_file(name).string()},
        {"restarts", false}});
  const bool ended = eventually([&] { return state_of(name).pid == 0; }, kRunLimit);
  const std::string end = state_of(name).end;
  if (!ended || end != "exit status 0") {
    throw std::runtime_error(
        fmt::format("{} on {}: {}\n{}", name, name_, ended ? end : "does not end", log_tail(log_file(name), 10)));
  }
}

void Machine::signal(const std::string& program, int number) {
  call({{"do", "signal"}, {"name", program}, {"number", number}, {"restarts", true}});
}

void Machine::leave_ended(const std::string& program) {
  call({{"do", "signal"}, {"name", program}, {"number", 0}, {"restarts", false}});
}

void Machine::kill(const std::string& program) {
  call({{"do", "signal"}, {"name", program}, {"number", SIGKILL}, {"restarts", false}});
  if (!eventually([&] { return state_of(program).pid == 0; })) {
    throw std::runtime_error(program + " does not end although it was killed");
  }
}

ProgramState Machine::state_of(const std::string& program) {
  const json::object state = call({{"do", "status"}, {"name", program}});
  return {.pid = static_cast<pid_t>(state.at("pid").as_int64()),
          .starts = static_cast<int>(state.at("starts").as_int64()),
          .end = json::value_to<std::string>(state.at("end"))};
}

json::object Machine::call(const json::object& request) {
  if (!is_up()) throw std::runtime_error("the machine " + name_ + " is off");
  const std::string text = json::serialize(request);
  if (::send(control_.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0) {
    throw std::system_error(errno, std::generic_category(), "asking the machine " + name_);
  }
  return receive();
}

json::object Machine::receive() {
  std::string text(4096, '\0');
  const ssize_t size = ::recv(control_.get(), text.data(), text.size(), 0);
  if (size <= 0) throw std::runtime_error("the machine " + name_ + " does not answer");
  text.resize(static_cast<std::size_t>(size));
  json::object answer = json::parse(text).as_object();
  if (const auto* error = answer.if_contains("error")) {
    throw std::runtime_error(fmt::format("machine {}: {}", name_, json::value_to<std::string>(*error)));
  }
  return answer;
}

}  // namespace rivera::harness
