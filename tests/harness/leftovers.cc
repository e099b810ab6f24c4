#include "harness/leftovers.h"

#include <cstdlib>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string_view>
#include <unistd.h>

#include <fmt/format.h>

#include "garden/host/cgroups.h"
#include "garden/host/host.h"

namespace rivera::harness {
namespace {

namespace fs = std::filesystem;

constexpr char kParent[] = "/var/tmp";
constexpr char kPrefix[] = "rivera-machines-";
constexpr char kTagsFile[] = "garden-tags";

// In each hierarchy, or in the one there is.
std::set<std::string> groups_of_tag(const std::string& tag) {
  std::set<std::string> found;
  const std::string name = garden::cgroup_parent(tag);
  std::error_code ec;
  if (fs::exists(fs::path("/sys/fs/cgroup") / name)) found.insert("/sys/fs/cgroup/" + name);
  for (const auto& hierarchy : fs::directory_iterator("/sys/fs/cgroup", ec)) {
    const fs::path group = hierarchy.path() / name;
    if (fs::exists(group, ec)) found.insert(group);
  }
  return found;
}

// "rivera-machines-<pid>-<start time>-XXXXXX"
std::string prefix_of(pid_t pid) { return fmt::format("{}{}-{}-", kPrefix, pid, garden::process_start_time(pid)); }

bool has_living_owner(const std::string& name) {
  const pid_t pid = std::atoi(name.c_str() + std::string_view(kPrefix).size());
  return name.starts_with(prefix_of(pid));
}

void remove_abandoned() {
  for (const auto& entry : fs::directory_iterator(kParent)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(kPrefix) && !has_living_owner(name)) remove_cluster_directory(entry.path());
  }
}

}  // namespace

fs::path make_cluster_directory() {
  remove_abandoned();
  std::string pattern = fmt::format("{}/{}XXXXXX", kParent, prefix_of(::getpid()));
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a directory below /var/tmp");
  // Roots of containers and the database server get to their files through it.
  fs::permissions(pattern, static_cast<fs::perms>(0755));
  return pattern;
}

std::string take_garden_tag(const fs::path& cluster_directory) {
  static std::mt19937 engine{std::random_device{}()};
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
  const auto letter = [&](std::size_t first, std::size_t last) {
    return kLetters[std::uniform_int_distribution<std::size_t>(first, last)(engine)];
  };
  for (;;) {
    // From "g" to "q": other test clusters and ./run begin theirs with later letters.
    std::string tag{letter(6, 16), letter(0, kLetters.size() - 1)};
    if (!groups_of_tag(tag).empty()) continue;
    std::ofstream(cluster_directory / kTagsFile, std::ios::app) << tag << "\n";
    return tag;
  }
}

std::set<std::string> control_groups_of(const fs::path& cluster_directory) {
  std::set<std::string> found;
  std::ifstream tags(cluster_directory / kTagsFile);
  for (std::string tag; tags >> tag;) found.merge(groups_of_tag(tag));
  return found;
}

void remove_cluster_directory(const fs::path& directory) {
  garden::clear_cgroups(control_groups_of(directory));
  fs::remove_all(directory);
}

}  // namespace rivera::harness
