#include "cluster/cleanup.h"

#include <filesystem>
#include <sstream>

#include <fmt/format.h>

#include "base/files.h"
#include "base/process/subprocess.h"
#include "cluster/prepare/component.h"
#include "cluster/prepare/preflight.h"
#include "cluster/settings/process_table.h"
#include "cluster/supervision/process.h"

namespace rivera::cluster {
namespace {

namespace fs = std::filesystem;

constexpr int kSupervisorGrace = 90;  // it waits for its components, each with a grace time of its own
constexpr int kComponentGrace = 10;

// A path in /proc/self/mounts, where blanks and backslashes are octal numbers.
std::string unescaped(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

void add_mounts(std::vector<std::string>& out, const Settings& settings) {
  std::istringstream lines(base::read_file("/proc/self/mounts"));
  const std::string below = settings.var_dir.string() + "/";
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string device;
    std::string where;
    words >> device >> where;
    where = unescaped(where);
    if (where.starts_with(below) || where.starts_with("/run/garden-" + settings.garden_tag + "-"))
      out.push_back("mount " + where);
  }
}

void add_interfaces(std::vector<std::string>& out, const Settings& settings) {
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator("/sys/class/net", ec)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("w" + settings.garden_tag)) out.push_back("network interface " + name);
  }
}

void add_firewall_tables(std::vector<std::string>& out, const Settings& settings) {
  const auto tables = base::run_command({"nft", "list", "tables"});
  std::istringstream lines(tables.output);
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with("_garden_" + settings.garden_tag)) out.push_back("firewall " + line);
  }
}

void add_cgroups(std::vector<std::string>& out, const Settings& settings) {
  std::error_code ec;
  for (fs::recursive_directory_iterator entry("/sys/fs/cgroup", ec), end; !ec && entry != end; entry.increment(ec)) {
    if (entry->path().filename() == "garden-" + settings.garden_tag) out.push_back("cgroup " + entry->path().string());
  }
}

// It ends with its container.
bool is_of_container(const RunningProcess& process) { return process.program() == "garden-shim"; }

std::string name_of(const RunningProcess& process) {
  return fmt::format("{} (pid {})", process.program(), process.pid);
}

void add_processes(std::vector<std::string>& out, const Settings& settings) {
  for (const RunningProcess& process : processes_of(settings)) out.push_back("process " + name_of(process));
}

}  // namespace

void end_processes(const Settings& settings) {
  std::vector<RunningProcess> supervisors = processes_of(settings);
  std::erase_if(supervisors, [](const RunningProcess& process) { return !is_supervisor(process); });
  if (!supervisors.empty()) terminate_processes(supervisors, kSupervisorGrace);
  // There are some only if the supervisor was killed.
  std::vector<RunningProcess> components = processes_of(settings);
  std::erase_if(components, is_of_container);
  if (!components.empty()) terminate_processes(components, kComponentGrace);
  std::vector<std::string> left;
  for (const RunningProcess& process : processes_of(settings)) {
    if (!is_of_container(process)) left.push_back(name_of(process));
  }
  if (!left.empty()) throw Problem(fmt::format("these processes do not end: {}", fmt::join(left, ", ")));
}

bool has_containers(const Settings& settings) {
  std::error_code ec;
  return fs::directory_iterator(settings.state_dir() / "garden" / "depot", ec) != fs::directory_iterator();
}

void destroy_containers(const Settings& settings) {
  base::CommandOptions options;
  options.timeout = std::chrono::minutes(3);
  const auto result = base::run_command(garden_cleanup_command(settings), options);
  if (result.ok()) return;
  const std::string said = result.error.empty() ? result.output : result.error;
  const std::string end = said.size() > 500 ? said.substr(said.size() - 500) : said;
  throw Problem(
      fmt::format("the containers could not be removed (garden cleanup: status {}): {}", result.exit_status, end));
}

void require_not_running_after_move(const Settings& settings) {
  const auto running = processes_of(settings);
  if (running.empty()) return;
  throw Problem(
      fmt::format("the directory was moved from {} while its cluster ran ({}): move it back, and stop the cluster "
                  "there with ./run down",
                  settings.saved_for.string(), name_of(running.front())));
}

void forget_containers(const Settings& settings) {
  for (const char* part : {"garden", "rep"}) fs::remove_all(settings.state_dir() / part);
}

std::vector<std::string> leftovers(const Settings& settings) {
  std::vector<std::string> out;
  add_processes(out, settings);
  add_mounts(out, settings);
  add_interfaces(out, settings);
  add_firewall_tables(out, settings);
  add_cgroups(out, settings);
  return out;
}

}  // namespace rivera::cluster
