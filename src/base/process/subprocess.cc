#include "base/process/subprocess.h"

#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdexcept>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "base/files.h"

extern char** environ;

namespace rivera::base {
namespace {

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
  Pipe() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "cannot make a pipe");
    read_end.reset(fds[0]);
    write_end.reset(fds[1]);
  }
};

std::vector<std::string> environment_with(const std::map<std::string, std::string>& added) {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!added.contains(std::string(text.substr(0, text.find('='))))) out.emplace_back(text);
  }
  for (const auto& [name, value] : added) out.push_back(name + "=" + value);
  return out;
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

// Starts the program in a process group of its own, so that a timeout ends its children too.
pid_t spawn(const std::vector<std::string>& argv, const CommandOptions& options, int in, int out, int err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, err, 2);
  if (!options.directory.empty()) posix_spawn_file_actions_addchdir_np(&actions, options.directory.c_str());
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  const auto variables = environment_with(options.variables);
  pid_t pid = -1;
  const int rc = ::posix_spawnp(&pid, argv.at(0).c_str(), &actions, &attributes, pointers_to(argv).data(),
                                pointers_to(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (rc != 0) throw std::system_error(rc, std::generic_category(), "cannot start " + argv.at(0));
  return pid;
}

// Moves what is readable into `sink`; false at the end of the stream.
bool drain(int fd, std::string& sink, std::size_t limit) {
  char buffer[65536];
  const ssize_t n = ::read(fd, buffer, sizeof buffer);
  if (n < 0) return errno == EINTR || errno == EAGAIN;
  if (n == 0) return false;
  sink.append(buffer, std::min(static_cast<std::size_t>(n), limit - std::min(limit, sink.size())));
  return true;
}

// Feeds input and collects output until both outputs end or the deadline passes. False: the deadline passed.
bool converse(Pipe& in, Pipe& out, Pipe& err, const CommandOptions& options, CommandResult& result) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + options.timeout;
  std::string_view input = options.input;
  ::fcntl(in.write_end.get(), F_SETFL, O_NONBLOCK);
  if (input.empty()) in.write_end.reset();
  while (out.read_end || err.read_end) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    pollfd fds[3] = {
        {out.read_end.get(), POLLIN, 0}, {err.read_end.get(), POLLIN, 0}, {in.write_end.get(), POLLOUT, 0}};
    if (::poll(fds, 3, static_cast<int>(std::min<long>(left, 1000))) < 0 && errno != EINTR) return false;
    if (fds[0].revents != 0 && !drain(out.read_end.get(), result.output, options.output_limit)) out.read_end.reset();
    if (fds[1].revents != 0 && !drain(err.read_end.get(), result.error, options.output_limit)) err.read_end.reset();
    if (fds[2].revents != 0) {
      const ssize_t n = ::write(in.write_end.get(), input.data(), input.size());
      if (n > 0) input.remove_prefix(static_cast<std::size_t>(n));
      if (input.empty() || (n < 0 && errno != EAGAIN && errno != EINTR)) in.write_end.reset();
    }
  }
  return true;
}

int exit_status_of(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

CommandResult run_command(const std::vector<std::string>& argv, const CommandOptions& options) {
  if (argv.empty()) throw std::invalid_argument("run_command: no program given");
  Pipe in;
  Pipe out;
  Pipe err;
  const pid_t pid = spawn(argv, options, in.read_end.get(), out.write_end.get(), err.write_end.get());
  in.read_end.reset();
  out.write_end.reset();
  err.write_end.reset();
  CommandResult result;
  result.timed_out = !converse(in, out, err, options, result);
  if (result.timed_out) ::kill(-pid, SIGKILL);
  result.exit_status = exit_status_of(pid);
  return result;
}

std::string must_run(const std::vector<std::string>& argv, const CommandOptions& options) {
  CommandResult result = run_command(argv, options);
  if (result.timed_out)
    throw std::runtime_error(fmt::format("{}: killed after {} ms", argv[0], options.timeout.count()));
  if (!result.ok()) {
    throw std::runtime_error(fmt::format("{}: exit status {}: {}", argv[0], result.exit_status, result.error));
  }
  return std::move(result.output);
}

}  // namespace rivera::base
