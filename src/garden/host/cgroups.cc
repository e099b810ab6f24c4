#include "garden/host/cgroups.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

#include "base/files.h"

namespace rivera::garden {

namespace fs = std::filesystem;
namespace api = clients::garden;

namespace {

constexpr const char* kRoot = "/sys/fs/cgroup";

std::map<std::string, std::uint64_t> read_flat(const std::string& path) {
  std::map<std::string, std::uint64_t> values;
  std::ifstream file(path);
  std::string key;
  for (std::uint64_t value = 0; file >> key >> value;) values[key] = value;
  return values;
}

std::uint64_t read_number(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  file >> value;  // "max" leaves 0
  return file ? value : 0;
}

std::uint64_t value_of(const std::map<std::string, std::uint64_t>& values, const char* key) {
  const auto found = values.find(key);
  return found == values.end() ? 0 : found->second;
}

// (controllers, path) of each line of a /proc/<pid>/cgroup; no controllers on the unified hierarchy.
std::vector<std::pair<std::string, std::string>> groups_of(const std::string& proc_directory) {
  std::vector<std::pair<std::string, std::string>> groups;
  std::ifstream file(proc_directory + "/cgroup");
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    groups.emplace_back(line.substr(first + 1, second - first - 1), line.substr(second + 1));
  }
  return groups;
}

// Where a hierarchy is mounted; "" if it is not.
std::string mount_of(const std::string& controllers) {
  if (controllers.empty()) {
    if (fs::exists(std::string(kRoot) + "/cgroup.controllers")) return kRoot;
    const std::string hybrid = std::string(kRoot) + "/unified";
    return fs::exists(hybrid) ? hybrid : "";
  }
  std::string name = controllers.rfind("name=", 0) == 0 ? controllers.substr(5) : controllers;
  std::string together = std::string(kRoot) + "/" + name;
  if (fs::exists(together)) return together;
  const std::string first = std::string(kRoot) + "/" + name.substr(0, name.find(','));
  return fs::exists(first) ? first : "";
}

bool remove_tree(const std::string& path) {
  // Most have no groups below them: to look costs more than to try.
  if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return true;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(path, ec)) {
    if (entry.is_directory(ec)) remove_tree(entry.path());
  }
  return ::rmdir(path.c_str()) == 0 || errno == ENOENT;
}

void read_procs(const std::string& directory, std::vector<pid_t>& into) {
  std::ifstream file(directory + "/cgroup.procs");
  for (pid_t pid = 0; file >> pid;) into.push_back(pid);
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(directory, ec)) {
    if (entry.is_directory(ec)) read_procs(entry.path(), into);
  }
}

}  // namespace

Cgroups Cgroups::of_process(pid_t pid, const std::string& parent) {
  Cgroups cgroups;
  for (const auto& [controllers, path] : groups_of("/proc/" + std::to_string(pid))) {
    // In hierarchies that the runtime does not manage, the process stays in the group of who started it.
    if (path.find("/" + parent + "/") == std::string::npos) continue;
    const std::string mount = mount_of(controllers);
    if (mount.empty()) continue;
    std::istringstream names(controllers);
    if (controllers.empty()) cgroups.paths_[""] = mount + path;
    for (std::string name; std::getline(names, name, ',');) cgroups.paths_[name] = mount + path;
  }
  if (cgroups.paths_.empty()) throw std::runtime_error("the container is in no control group of its own");
  return cgroups;
}

Cgroups Cgroups::expected(const std::string& path_of_group, bool is_below_own_group) {
  Cgroups cgroups;
  const auto own_groups = groups_of("/proc/self");
  const bool has_one_hierarchy =
      std::all_of(own_groups.begin(), own_groups.end(), [](const auto& group) { return group.first.empty(); });
  for (const auto& [controllers, path] : own_groups) {
    const std::string mount = mount_of(controllers);
    if (mount.empty()) continue;
    const std::string own = path == "/" || has_one_hierarchy || !is_below_own_group ? "" : path;
    const std::string directory = mount + own + "/" + path_of_group;
    if (controllers.empty()) cgroups.paths_[""] = directory;
    std::istringstream names(controllers);
    for (std::string each; std::getline(names, each, ',');) cgroups.paths_[each] = directory;
  }
  return cgroups;
}

std::string Cgroups::directory(const std::string& controller) const {
  auto found = paths_.find(controller);
  if (found == paths_.end()) found = paths_.find("");
  return found == paths_.end() ? "" : found->second;
}

void Cgroups::read_metrics(api::ContainerMetrics& metrics) const {
  const std::string memory = directory("memory"), cpu = directory("cpu"), pids = directory("pids");
  if (!fs::exists(memory)) throw std::runtime_error("control group does not exist: " + memory);
  metrics.memory = read_flat(memory + "/memory.stat");
  const auto stat = [&](const char* key) { return value_of(metrics.memory, key); };
  const bool is_unified = !paths_.contains("memory");
  const std::uint64_t used = is_unified ? stat("anon") + stat("file") + stat("swapcached")
                                        : stat("total_rss") + stat("total_cache") + stat("total_swap");
  const std::uint64_t inactive = is_unified ? stat("inactive_file") : stat("total_inactive_file");
  metrics.total_usage_toward_limit = used > inactive ? used - inactive : 0;
  if (is_unified) {
    const auto usage = read_flat(cpu + "/cpu.stat");
    metrics.cpu = {value_of(usage, "usage_usec") * 1000, value_of(usage, "user_usec") * 1000,
                   value_of(usage, "system_usec") * 1000};
  } else {
    const std::string accounts = directory("cpuacct");
    const auto split = read_flat(accounts + "/cpuacct.stat");
    const auto nanoseconds_per_tick = 1'000'000'000ull / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    metrics.cpu = {read_number(accounts + "/cpuacct.usage"), value_of(split, "user") * nanoseconds_per_tick,
                   value_of(split, "system") * nanoseconds_per_tick};
  }
  metrics.pid = {read_number(pids + "/pids.current"), read_number(pids + "/pids.max")};
}

std::uint64_t Cgroups::oom_kills() const {
  const bool is_unified = !paths_.contains("memory");
  return value_of(read_flat(directory("memory") + (is_unified ? "/memory.events" : "/memory.oom_control")), "oom_kill");
}

std::vector<std::string> Cgroups::accounting_directories() const {
  std::set<std::string> directories;  // some hierarchies have several controllers
  for (const char* controller : {"memory", "cpu", "cpuacct", "blkio"}) {
    const std::string path = directory(controller);
    if (!path.empty()) directories.insert(path);
  }
  return {directories.begin(), directories.end()};
}

std::vector<pid_t> Cgroups::processes() const {
  std::vector<pid_t> pids;
  read_procs(directory("devices"), pids);
  return pids;
}

void Cgroups::signal(const std::vector<pid_t>& pids, int signal) const {
  for (const pid_t pid : pids) {
    // The membership is looked at after the descriptor is open: from then on it means one process.
    const base::UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!process) continue;
    const auto groups = groups_of("/proc/" + std::to_string(pid));
    const bool is_member = std::any_of(groups.begin(), groups.end(), [this](const auto& group) {
      const std::string mount = mount_of(group.first);
      return std::any_of(paths_.begin(), paths_.end(),
                         [&](const auto& own) { return (mount + group.second + "/").starts_with(own.second + "/"); });
    });
    if (is_member) ::syscall(SYS_pidfd_send_signal, process.get(), signal, nullptr, 0);
  }
}

std::set<std::string> Cgroups::parents() const {
  std::set<std::string> found;
  for (const auto& [controller, path] : paths_) found.insert(fs::path(path).parent_path());
  return found;
}

void Cgroups::remove_empty_parents() const {
  for (const std::string& directory : parents()) ::rmdir(directory.c_str());
}

void Cgroups::remove() const {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  for (const auto& [controller, path] : paths_) {
    while (!remove_tree(path)) {
      if (std::chrono::steady_clock::now() > deadline)
        throw std::runtime_error("control group is still in use: " + path);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
}

std::string cgroup_parent(const std::string& tag) { return tag.empty() ? "garden" : "garden-" + tag; }

void clear_cgroups(const std::set<std::string>& directories) {
  for (const auto& directory : directories) {
    for (int attempt = 0; attempt < 50 && fs::exists(directory); ++attempt) {
      std::vector<pid_t> left;
      read_procs(directory, left);
      for (const pid_t pid : left) ::kill(pid, SIGKILL);
      if (remove_tree(directory)) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
}

}  // namespace rivera::garden
