#include "simulation/real/program_process.h"

#include <csignal>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

#include "base/files.h"

namespace rivera::simulation {
namespace {

using namespace std::chrono_literals;

}  // namespace

ProcessUse use_of_process(pid_t pid) {
  ProcessUse use;
  std::ifstream stat(fmt::format("/proc/{}/stat", pid));
  std::string line;
  if (!std::getline(stat, line) || line.rfind(')') == std::string::npos) return use;
  std::istringstream fields(line.substr(line.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;  // state to cmajflt
  double user = 0;
  double system = 0;
  fields >> user >> system;
  use.processor_seconds = (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  while (std::getline(status, line)) {
    if (line.starts_with("VmHWM:")) use.peak_memory_mb = std::stoll(line.substr(6)) / 1024;
  }
  return use;
}

ProgramProcess::ProgramProcess(std::string name, const std::vector<std::string>& argv, std::filesystem::path log_file)
    : name_(std::move(name)), log_file_(std::move(log_file)), child_(start(argv)) {}

base::ChildProcess ProgramProcess::start(std::vector<std::string> argv) const {
  argv.insert(argv.begin(), {"setpriv", "--pdeathsig", "KILL", "--"});
  return base::start_logged(argv, log_file_);
}

ProgramProcess::~ProgramProcess() {
  child_.signal(SIGTERM);
  child_.wait_for(5s);
}

bool ProgramProcess::has_ended() { return child_.try_wait().has_value(); }

std::string ProgramProcess::end_of_log() const {
  constexpr std::size_t kLongest = 1'500;
  const std::string log = base::read_file(log_file_);
  return log.size() <= kLongest ? log : log.substr(log.size() - kLongest);
}

void ProgramProcess::wait_for(const std::string& text, std::chrono::seconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (base::read_file(log_file_).find(text) == std::string::npos) {
    if (has_ended()) throw std::runtime_error(name_ + " has ended: " + end_of_log());
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error(name_ + " did not log \"" + text + "\": " + end_of_log());
    }
    std::this_thread::sleep_for(20ms);
  }
}

}  // namespace rivera::simulation
