#include "cluster/cleanup.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include <fmt/format.h>

#include "base/files.h"
#include "base/process/subprocess.h"
#include "cluster/prepare/component.h"
#include "cluster/prepare/preflight.h"
#include "cluster/supervision/process.h"

namespace rivera::cluster {
namespace {

namespace fs = std::filesystem;

constexpr int kSupervisorGrace = 90;  // it waits for its components, each with a grace time of its own
constexpr int kComponentGrace = 10;

void add_mounts(std::vector<std::string>& out, const Settings& settings) {
  std::istringstream lines(base::read_file("/proc/self/mounts"));
  const std::string below = settings.var_dir.string() + "/";
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string device;
    std::string where;
    words >> device >> where;
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

}  // namespace

void end_processes(const Settings& settings) {
  if (const auto pid = read_pid_file(settings.supervisor_pid_file())) terminate_processes({*pid}, kSupervisorGrace);
  // There are some only if the supervisor was killed.
  std::vector<pid_t> pids;
  for (const Component& component : components(settings)) {
    const auto file = settings.run_dir() / (component.name + ".pid");
    if (const auto pid = read_pid_file(file)) pids.push_back(*pid);
    std::error_code ignored;
    fs::remove(file, ignored);
  }
  std::reverse(pids.begin(), pids.end());
  if (!pids.empty()) terminate_processes(pids, kComponentGrace);
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

std::vector<std::string> leftovers(const Settings& settings) {
  std::vector<std::string> out;
  add_mounts(out, settings);
  add_interfaces(out, settings);
  add_firewall_tables(out, settings);
  add_cgroups(out, settings);
  return out;
}

}  // namespace rivera::cluster
