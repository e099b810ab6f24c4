// Running another program until it ends.
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace rivera::base {

struct CommandOptions {
  std::string input;                             // given on standard input
  std::map<std::string, std::string> variables;  // as ChildOptions
  std::set<std::string> inherited;               // likewise
  std::string directory;                         // "" = ours
  std::chrono::milliseconds timeout{30'000};     // killed after that, with its process group
  std::size_t output_limit = 4u << 20;           // bytes kept of each of output and error
};

struct CommandResult {
  int exit_status = -1;  // 128 + signal if killed by one
  bool timed_out = false;
  std::string output;
  std::string error;
  bool ok() const { return exit_status == 0 && !timed_out; }
};

// Runs a program (found in PATH; no shell) to its end. Blocks, for no longer than the timeout and a second: call it on
// a WorkerPool. What programs that it leaves behind write later is not waited for. Throws std::system_error if it
// cannot be started.
CommandResult run_command(const std::vector<std::string>& argv, const CommandOptions& options = {});

// The same, and throws std::runtime_error with the command's name, status and error output unless it exits with 0.
// Arguments are not put in the message. Returns its output.
std::string must_run(const std::vector<std::string>& argv, const CommandOptions& options = {});

}  // namespace rivera::base
