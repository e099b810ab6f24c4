#include "base/testing/test_program.h"

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <fcntl.h>
#include <mutex>
#include <signal.h>
#include <spawn.h>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <boost/json.hpp>

#include "base/files.h"

extern char** environ;

namespace rivera::base {
namespace {

constexpr std::size_t kLinesKept = 20;  // of those waited past, for errors

UniqueFd spawn_with_pipe(std::vector<std::string>& command, pid_t& pid) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  UniqueFd reading(ends[0]);
  const UniqueFd writing(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, writing.get(), STDOUT_FILENO);
  std::vector<char*> argv;
  for (auto& argument : command) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const int failed = posix_spawn(&pid, argv.front(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw std::runtime_error("cannot run " + command.front());
  return reading;
}

}  // namespace

struct TestProgram::State {
  explicit State(std::vector<std::string> command)
      : name(command.front()), output(spawn_with_pipe(command, pid)), reader([this] { read_lines(); }) {}

  ~State() {
    if (pid > 0) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
    reader.join();
  }

  void read_lines() {
    std::string unread;
    char buffer[4096];
    ssize_t count = 0;
    while ((count = read(output.get(), buffer, sizeof buffer)) > 0 || (count < 0 && errno == EINTR)) {
      if (count > 0) unread.append(buffer, static_cast<std::size_t>(count));
      for (auto end = unread.find('\n'); end != std::string::npos; end = unread.find('\n')) {
        add(unread.substr(0, end));
        unread.erase(0, end + 1);
      }
    }
    const std::lock_guard lock(mutex);
    ended = true;
    changed.notify_all();
  }

  void add(std::string line) {
    const std::lock_guard lock(mutex);
    lines.push_back(std::move(line));
    changed.notify_all();
  }

  // The next line; throws once there is none in time.
  std::string next_line(std::chrono::steady_clock::time_point until, const std::string& awaited) {
    std::unique_lock lock(mutex);
    const bool in_time = changed.wait_until(lock, until, [this] { return ended || !lines.empty(); });
    if (lines.empty()) {
      std::string text = name + (in_time ? " ended" : " took too long") + " while waiting for " + awaited + ":";
      for (const auto& line : passed) text += "\n" + line;
      throw std::runtime_error(text);
    }
    std::string line = std::move(lines.front());
    lines.pop_front();
    passed.push_back(line);
    if (passed.size() > kLinesKept) passed.pop_front();
    return line;
  }

  const std::string name;
  pid_t pid = 0;
  UniqueFd output;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::string> lines;
  std::deque<std::string> passed;
  bool ended = false;
  std::thread reader;  // last: it uses the others
};

TestProgram::TestProgram(std::vector<std::string> command) : state_(std::make_unique<State>(std::move(command))) {}
TestProgram::~TestProgram() = default;
TestProgram::TestProgram(TestProgram&&) noexcept = default;
TestProgram& TestProgram::operator=(TestProgram&&) noexcept = default;

boost::json::object TestProgram::wait_for(const std::string& message) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    boost::json::object line = boost::json::parse(state_->next_line(until, message)).as_object();
    if (line.at("message").as_string() == message) return line.at("data").as_object();
  }
}

void TestProgram::send(int signal) const {
  if (state_->pid > 0) kill(state_->pid, signal);
}

int TestProgram::wait(std::chrono::nanoseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  int status = 0;
  while (waitpid(state_->pid, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > until) throw std::runtime_error(state_->name + " does not end");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  state_->pid = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace rivera::base
