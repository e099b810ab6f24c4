#include "garden/host/cgroup_mounts.h"

#include <cerrno>
#include <sstream>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <system_error>

#include "base/files.h"

namespace rivera::garden {
namespace {

constexpr const char* kCgroupRoot = "/sys/fs/cgroup";

bool is_file_system(const std::string& path, long type) {
  struct statfs info {};
  return ::statfs(path.c_str(), &info) == 0 && info.f_type == type;
}

void mount_at(const std::string& path, const char* source, const char* type, const std::string& data) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
    throw std::system_error(errno, std::generic_category(), "mkdir " + path);
  }
  if (::mount(source, path.c_str(), type, MS_NOSUID | MS_NODEV | MS_NOEXEC, data.c_str()) != 0) {
    throw std::system_error(errno, std::generic_category(), "mount " + path);
  }
}

}  // namespace

std::vector<std::string> controllers_without_hierarchy(const std::string& proc_cgroups) {
  std::vector<std::string> names;
  std::istringstream lines(proc_cgroups);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    std::string name;
    unsigned hierarchy = 0, groups = 0, is_enabled = 0;
    if (fields >> name >> hierarchy >> groups >> is_enabled && hierarchy == 0 && is_enabled == 1) names.push_back(name);
  }
  return names;
}

std::vector<std::string> mount_cgroup_hierarchies() {
  constexpr long kCgroup2 = 0x63677270, kTmpfs = 0x01021994;
  if (is_file_system(kCgroupRoot, kCgroup2)) return {};
  const auto missing = controllers_without_hierarchy(base::read_file("/proc/cgroups"));
  if (missing.empty()) return {};
  if (!is_file_system(kCgroupRoot, kTmpfs)) mount_at(kCgroupRoot, "cgroup_root", "tmpfs", "mode=0755");
  std::vector<std::string> mounted;
  for (const auto& name : missing) {
    try {
      mount_at(std::string(kCgroupRoot) + "/" + name, "cgroup", "cgroup", name);
      mounted.push_back(name);
    } catch (const std::system_error& e) {
      // In use on the unified hierarchy, or of another kernel namespace: the host decides where it belongs.
      if (e.code().value() != EBUSY && e.code().value() != EINVAL) throw;
    }
  }
  return mounted;
}

}  // namespace rivera::garden
