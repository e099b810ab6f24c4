#include "simulation/real/program_process.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

#include "base/files.h"

namespace rivera::simulation {
namespace {

using namespace std::chrono_literals;

// In the child: nothing here may allocate.
[[noreturn]] void become(char* const argv[], int output) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(output, 1);
  dup2(output, 2);
  execv(argv[0], argv);
  _exit(127);
}

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
    : name_(std::move(name)), log_file_(std::move(log_file)) {
  std::vector<std::string> words = argv;
  std::vector<char*> pointers;
  for (auto& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const base::UniqueFd output(open(log_file_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!output) throw std::system_error(errno, std::generic_category(), "cannot write " + log_file_.string());
  pid_ = fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "cannot start " + name_);
  if (pid_ == 0) become(pointers.data(), output.get());
}

ProgramProcess::~ProgramProcess() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  const auto deadline = std::chrono::steady_clock::now() + 5s;
  while (!has_ended()) {
    if (std::chrono::steady_clock::now() > deadline) {
      ::kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
      return;
    }
    std::this_thread::sleep_for(10ms);
  }
}

bool ProgramProcess::has_ended() {
  if (pid_ <= 0) return true;
  if (waitpid(pid_, nullptr, WNOHANG) == 0) return false;
  pid_ = -1;
  return true;
}

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
      throw std::runtime_error(name_ + " did not come to \"" + text + "\": " + end_of_log());
    }
    std::this_thread::sleep_for(20ms);
  }
}

}  // namespace rivera::simulation
