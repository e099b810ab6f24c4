// A Rivera program that runs beside the simulator.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/process/child_process.h"

namespace rivera::simulation {

// The resources that a process has used; zeros after its end.
struct ProcessUse {
  double processor_seconds = 0;
  std::int64_t peak_memory_mb = 0;
};
ProcessUse use_of_process(pid_t pid);

// A child process from its start to the end of this object, with its output in a file. It ends with the simulator, even
// if that is killed. All calls block.
class ProgramProcess {
 public:
  // Throws std::system_error.
  ProgramProcess(std::string name, const std::vector<std::string>& argv, std::filesystem::path log_file);
  // Sends SIGTERM, and SIGKILL if the process has not ended after five seconds.
  ~ProgramProcess();
  ProgramProcess(const ProgramProcess&) = delete;
  ProgramProcess& operator=(const ProgramProcess&) = delete;

  // Returns once the log contains `text`. Throws std::runtime_error with the end of the log if the program ends first,
  // or `limit` passes.
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
