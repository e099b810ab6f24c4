// A program of ours run beside the simulator.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/process/child_process.h"

namespace rivera::simulation {

// What a process has used so far; zeros once it has ended.
struct ProcessUse {
  double processor_seconds = 0;
  std::int64_t peak_memory_mb = 0;
};
ProcessUse use_of_process(pid_t pid);

// A child from its start to the end of this object, with its output in a file. It does not outlive the simulator, not
// even if that is killed. All calls block.
class ProgramProcess {
 public:
  // Throws std::system_error.
  ProgramProcess(std::string name, const std::vector<std::string>& argv, std::filesystem::path log_file);
  // SIGTERM, and SIGKILL if that is not enough within five seconds.
  ~ProgramProcess();
  ProgramProcess(const ProgramProcess&) = delete;
  ProgramProcess& operator=(const ProgramProcess&) = delete;

  // Returns once the log holds `text`. Throws std::runtime_error with the end of the log if the program ends before, or
  // does not come to it within `limit`.
  void wait_for(const std::string& text, std::chrono::seconds limit = std::chrono::seconds(60));

  const std::string& name() const { return name_; }
  const std::filesystem::path& log_file() const { return log_file_; }
  ProcessUse use() const { return use_of_process(child_.pid()); }

 private:
  base::ChildProcess start(std::vector<std::string> argv) const;
  bool has_ended();
  std::string end_of_log() const;

  std::string name_;
  std::filesystem::path log_file_;
  base::ChildProcess child_;
};

}  // namespace rivera::simulation
