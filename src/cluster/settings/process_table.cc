#include "cluster/settings/process_table.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <sstream>
#include <string_view>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "base/files.h"

namespace rivera::cluster {
namespace {

namespace fs = std::filesystem;

// What runs in a cluster for longer than a moment. `rivera` is the supervisor.
constexpr std::array<std::string_view, 11> kPrograms = {"nats-server", "locket",        "bbs",   "auctioneer",
                                                        "garden",      "garden-shim",   "rep",   "file-server",
                                                        "gorouter",    "route-emitter", "rivera"};

bool is_below(const std::string& path, const std::string& directory) {
  return path == directory || path.starts_with(directory + "/");
}

std::vector<std::string> arguments_of(const fs::path& process) {
  std::vector<std::string> out;
  std::istringstream text(base::read_file(process / "cmdline"));
  for (std::string argument; std::getline(text, argument, '\0');) out.push_back(argument);
  return out;
}

// Processes of containers are in other namespaces: what they call themselves means nothing.
bool is_in_our_namespace(const fs::path& process) {
  std::error_code ec;
  const fs::path ours = fs::read_symlink("/proc/self/ns/pid", ec);
  return !ec && fs::read_symlink(process / "ns" / "pid", ec) == ours && !ec;
}

// What another user's process calls itself means nothing either. Its real user: a set-user-id program keeps that one.
bool is_of_our_user(const fs::path& process) {
  constexpr std::string_view kField = "\nUid:\t";
  const std::string status = base::read_file(process / "status");
  const auto at = status.find(kField);
  return at != std::string::npos && std::strtoul(status.c_str() + at + kField.size(), nullptr, 10) == ::geteuid();
}

// Where standard output goes; "" if that is unknown.
std::string output_of(pid_t pid) {
  std::error_code ec;
  return fs::read_symlink(fmt::format("/proc/{}/fd/1", pid), ec).string();
}

}  // namespace

std::string RunningProcess::program() const {
  return arguments.empty() ? "" : fs::path(arguments.front()).filename().string();
}

std::string RunningProcess::flag(const std::string& name) const {
  const std::string word = "--" + name;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    if (arguments[i].starts_with(word + "=")) return arguments[i].substr(word.size() + 1);
    if (arguments[i] == word && i + 1 < arguments.size()) return arguments[i + 1];
  }
  return "";
}

std::string start_time_of(pid_t pid) {
  std::string stat;
  try {
    stat = base::read_file(fmt::format("/proc/{}/stat", pid));
  } catch (const std::system_error&) {
    return "";
  }
  const auto after_name = stat.rfind(')');  // the name may hold anything
  if (after_name == std::string::npos) return "";
  std::istringstream rest(stat.substr(after_name + 1));
  std::string word;
  for (int field = 3; rest >> word; ++field) {
    if (field == 3 && (word == "Z" || word == "X")) return "";
    if (field == 22) return word;
  }
  return "";
}

std::vector<RunningProcess> running_processes() {
  std::vector<RunningProcess> out;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    RunningProcess process;
    process.pid = std::atoi(name.c_str());
    process.start_time = start_time_of(process.pid);
    if (process.pid == ::getpid() || process.start_time.empty() || !is_in_our_namespace(entry.path())) continue;
    try {
      if (!is_of_our_user(entry.path())) continue;
      process.arguments = arguments_of(entry.path());
    } catch (const std::system_error&) {
      continue;  // it has just ended
    }
    out.push_back(std::move(process));
  }
  return out;
}

bool is_supervisor(const RunningProcess& process) {
  return process.program() == "rivera" && process.arguments.size() > 1 && process.arguments[1] == "supervise";
}

bool belongs_to(const RunningProcess& process, const Settings& settings) {
  const std::string output = output_of(process.pid);
  if (is_below(output, settings.log_dir().string())) return true;
  // The log of another directory: of the one that this is a copy of, or that was here before.
  if (output.ends_with(".log") && fs::exists(output)) return false;
  return std::ranges::any_of(process.arguments,
                             [&](const std::string& word) { return is_below(word, settings.var_dir.string()); });
}

std::vector<RunningProcess> processes_of(const Settings& settings) {
  std::vector<RunningProcess> out;
  for (RunningProcess& process : running_processes()) {
    const std::string program = process.program();
    if (std::ranges::find(kPrograms, program) == kPrograms.end()) continue;
    if (program == "rivera" && !is_supervisor(process)) continue;
    if (belongs_to(process, settings)) out.push_back(std::move(process));
  }
  return out;
}

}  // namespace rivera::cluster
