#include "garden/host/child.h"

#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>

#include "base/files.h"

extern char** environ;

namespace rivera::garden {

namespace {

[[noreturn]] void fail(const std::string& what, int error) {
  throw std::system_error(error, std::generic_category(), what);
}

struct Pipe {
  base::UniqueFd read, write;
  Pipe() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) fail("pipe", errno);
    read.reset(fds[0]);
    write.reset(fds[1]);
  }
};

pid_t spawn(const std::vector<std::string>& argv, int input, int output, int error, int pass_fd) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output, 1);
  ::posix_spawn_file_actions_adddup2(&actions, error, 2);
  ::posix_spawn_file_actions_adddup2(&actions, pass_fd, 3);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_t pid = -1;
  const int failure = ::posix_spawn(&pid, words[0], &actions, &attributes, words.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (failure != 0) fail("start " + argv[0], failure);
  return pid;
}

}  // namespace

struct Child::State {
  explicit State(asio::any_io_executor executor) : input(executor), output(executor), process(executor) {}
  asio::posix::stream_descriptor input, output, process;
  base::UniqueFd error;
  pid_t pid = -1;  // -1 once reaped
};

Child::Child(asio::any_io_executor executor, const std::vector<std::string>& argv, int pass_fd)
    : state_(std::make_unique<State>(executor)) {
  Pipe input, output, error;
  // Above the numbers that the child's own will have, so that no duplication overwrites one still needed.
  const base::UniqueFd passed(::fcntl(pass_fd, F_DUPFD_CLOEXEC, 10));
  const base::UniqueFd child_input(::fcntl(input.read.get(), F_DUPFD_CLOEXEC, 10));
  const base::UniqueFd child_output(::fcntl(output.write.get(), F_DUPFD_CLOEXEC, 10));
  const base::UniqueFd child_error(::fcntl(error.write.get(), F_DUPFD_CLOEXEC, 10));
  if (!passed || !child_input || !child_output || !child_error) fail("duplicate descriptor", errno);
  state_->pid = spawn(argv, child_input.get(), child_output.get(), child_error.get(), passed.get());
  base::UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, state_->pid, 0)));
  if (!process) fail("pidfd_open", errno);
  state_->input.assign(input.write.release());
  state_->output.assign(output.read.release());
  state_->process.assign(process.release());
  state_->error = std::move(error.read);
}

Child::~Child() {
  if (state_->pid <= 0) return;
  ::kill(state_->pid, SIGKILL);
  ::waitpid(state_->pid, nullptr, 0);
}

asio::awaitable<bool> Child::write_input(std::string_view bytes) {
  error_code ec;
  co_await asio::async_write(state_->input, asio::buffer(bytes.data(), bytes.size()),
                             asio::redirect_error(asio::use_awaitable, ec));
  if (ec == asio::error::operation_aborted) throw boost::system::system_error(ec);
  co_return !ec;
}

void Child::close_input() {
  error_code ignored;
  state_->input.close(ignored);
}

asio::awaitable<std::size_t> Child::read_output(std::span<char> into) {
  error_code ec;
  const std::size_t n = co_await state_->output.async_read_some(asio::buffer(into.data(), into.size()),
                                                                asio::redirect_error(asio::use_awaitable, ec));
  if (ec && ec != asio::error::eof) throw boost::system::system_error(ec, "read helper's output");
  co_return n;
}

asio::awaitable<int> Child::wait() {
  co_await state_->process.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
  int status = 0;
  if (::waitpid(state_->pid, &status, 0) != state_->pid) fail("waitpid", errno);
  state_->pid = -1;
  co_return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::string Child::error_text() {
  // It fits into the pipe: the helper says one line.
  std::string text(16 * 1024, '\0');
  ::fcntl(state_->error.get(), F_SETFL, O_NONBLOCK);
  const ssize_t n = ::read(state_->error.get(), text.data(), text.size());
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace rivera::garden
