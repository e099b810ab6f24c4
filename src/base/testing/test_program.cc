#include "base/testing/test_program.h"

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <boost/json.hpp>

#include "base/process/child_process.h"

namespace rivera::base {
namespace {

constexpr std::size_t kLinesKept = 20;  // of those waited past, for errors

}  // namespace

struct TestProgram::State {
  explicit State(const std::vector<std::string>& command)
      : name(command.front()), child(start(command)), reader([this] { read_lines(); }) {}

  ~State() {
    child.kill();
    reader.join();
  }

  ChildProcess start(const std::vector<std::string>& command) {
    ChildOptions options;
    options.output = output.write_end.get();
    options.error = STDERR_FILENO;
    ChildProcess started(command, options);
    output.write_end.reset();
    return started;
  }

  void read_lines() {
    std::string unread;
    char buffer[4096];
    ssize_t count = 0;
    while ((count = read(output.read_end.get(), buffer, sizeof buffer)) > 0 || (count < 0 && errno == EINTR)) {
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
  Pipe output;
  ChildProcess child;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::string> lines;
  std::deque<std::string> passed;
  bool ended = false;
  std::thread reader;  // last: it uses the others
};

TestProgram::TestProgram(const std::vector<std::string>& command) : state_(std::make_unique<State>(command)) {}
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

void TestProgram::send(int signal) const { state_->child.signal(signal); }

int TestProgram::wait(std::chrono::nanoseconds limit) {
  const auto status = state_->child.wait_for(limit);
  if (!status) throw std::runtime_error(state_->name + " does not end");
  return WIFEXITED(*status) ? WEXITSTATUS(*status) : -WTERMSIG(*status);
}

}  // namespace rivera::base
