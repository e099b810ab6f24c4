#include "base/process/subprocess.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdexcept>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "base/process/child_process.h"

namespace rivera::base {
namespace {

void make_non_blocking(const UniqueFd& fd) {
  if (::fcntl(fd.get(), F_SETFL, O_NONBLOCK) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot set up a pipe");
  }
}

// While it lives, a write to a pipe that is not read gives EPIPE and no signal.
class NoPipeSignal {
 public:
  NoPipeSignal() {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoPipeSignal() {
    const timespec none{};
    if (!::sigismember(&before_, SIGPIPE)) ::sigtimedwait(&pipe_, nullptr, &none);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoPipeSignal(const NoPipeSignal&) = delete;
  NoPipeSignal& operator=(const NoPipeSignal&) = delete;

 private:
  sigset_t pipe_{};
  sigset_t before_{};
};

// A program's streams, fed and emptied without blocking, and its end.
class Conversation {
 public:
  Conversation(const std::vector<std::string>& argv, const CommandOptions& options, CommandResult& result)
      : options_(options), result_(result), input_(options.input), child_(start(argv)) {
    in_.read_end.reset();
    out_.write_end.reset();
    err_.write_end.reset();
    if (input_.empty()) in_.write_end.reset();
  }

  void hold() {
    const auto deadline = std::chrono::steady_clock::now() + options_.timeout;
    for (;;) {
      // First, so that the last look at the streams comes after the end.
      if (const auto status = child_.try_wait()) return finish(*status);
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
      if (left <= 0) break;
      exchange(static_cast<int>(std::min<long>(left, 60'000)));
    }
    result_.timed_out = true;
    child_.kill();
    result_.exit_status = 128 + SIGKILL;
    empty(out_.read_end, result_.output);
    empty(err_.read_end, result_.error);
  }

 private:
  ChildProcess start(const std::vector<std::string>& argv) {
    make_non_blocking(in_.write_end);
    make_non_blocking(out_.read_end);
    make_non_blocking(err_.read_end);
    ChildOptions how;
    how.input = in_.read_end.get();
    how.output = out_.write_end.get();
    how.error = err_.write_end.get();
    how.variables = options_.variables;
    how.inherited = options_.inherited;
    how.directory = options_.directory;
    how.group = ProcessGroup::kOwn;  // so that the timeout ends its children too
    return ChildProcess(argv, how);
  }

  void exchange(int milliseconds) {
    pollfd fds[4] = {{child_.pidfd(), POLLIN, 0},
                     {out_.read_end.get(), POLLIN, 0},
                     {err_.read_end.get(), POLLIN, 0},
                     {in_.write_end.get(), POLLOUT, 0}};
    if (::poll(fds, 4, milliseconds) <= 0) return;
    if (fds[1].revents != 0 && !read_some(out_.read_end, result_.output)) out_.read_end.reset();
    if (fds[2].revents != 0 && !read_some(err_.read_end, result_.error)) err_.read_end.reset();
    if (fds[3].revents != 0) feed();
  }

  void feed() {
    const ssize_t n = ::write(in_.write_end.get(), input_.data(), input_.size());
    if (n > 0) input_.remove_prefix(static_cast<std::size_t>(n));
    if (input_.empty() || (n < 0 && errno != EAGAIN && errno != EINTR)) in_.write_end.reset();
  }

  void finish(int status) {
    result_.exit_status = exit_status_of(status);
    empty(out_.read_end, result_.output);
    empty(err_.read_end, result_.error);
  }

  // Takes what is in the pipe; more may come from programs that were left behind, of which a pipe's content is enough.
  void empty(const UniqueFd& fd, std::string& sink) const {
    constexpr std::size_t kPipeCapacity = 1u << 20;
    for (std::size_t taken = 0; fd && taken < kPipeCapacity;) {
      const auto n = take(fd, sink);
      if (n <= 0) return;
      taken += static_cast<std::size_t>(n);
    }
  }

  // False at the end of the stream.
  bool read_some(const UniqueFd& fd, std::string& sink) const {
    const auto n = take(fd, sink);
    return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
  }

  ssize_t take(const UniqueFd& fd, std::string& sink) const {
    char buffer[65536];
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    const std::size_t room = options_.output_limit - std::min(options_.output_limit, sink.size());
    if (n > 0) sink.append(buffer, std::min(static_cast<std::size_t>(n), room));
    return n;
  }

  const CommandOptions& options_;
  CommandResult& result_;
  std::string_view input_;
  const NoPipeSignal no_pipe_signal_;
  Pipe in_, out_, err_;
  ChildProcess child_;
};

}  // namespace

CommandResult run_command(const std::vector<std::string>& argv, const CommandOptions& options) {
  CommandResult result;
  Conversation(argv, options, result).hold();
  return result;
}

std::string must_run(const std::vector<std::string>& argv, const CommandOptions& options) {
  CommandResult result = run_command(argv, options);
  if (result.timed_out) {
    throw std::runtime_error(fmt::format("{}: killed after {} ms", argv[0], options.timeout.count()));
  }
  if (!result.ok()) {
    throw std::runtime_error(fmt::format("{}: exit status {}: {}", argv[0], result.exit_status, result.error));
  }
  return std::move(result.output);
}

}  // namespace rivera::base
