#include "garden/images/mount_points.h"

#include <fstream>
#include <sys/stat.h>

namespace rivera::garden {

bool is_mount_point(const std::string& directory) {
  struct stat here {
  }, above{};
  return ::lstat(directory.c_str(), &here) == 0 && ::lstat((directory + "/..").c_str(), &above) == 0 &&
         here.st_dev != above.st_dev;
}

std::set<std::string> mounted_layers(const std::string& directory) {
  std::set<std::string> layers;
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    const auto start = line.find("lowerdir=");
    if (!line.starts_with("overlay ") || start == std::string::npos) continue;
    const auto end = line.find_first_of(", ", start);
    std::string names = line.substr(start + 9, end - start - 9) + ":";
    for (std::size_t at = 0; at < names.size();) {
      const auto colon = names.find(':', at);
      const std::string name = names.substr(at, colon - at);
      at = colon + 1;
      const auto slash = name.rfind('/');
      const bool is_relative = slash == std::string::npos;  // ours, with many layers
      if (is_relative || name.substr(0, slash) == directory) layers.insert(is_relative ? name : name.substr(slash + 1));
    }
  }
  return layers;
}

}  // namespace rivera::garden
