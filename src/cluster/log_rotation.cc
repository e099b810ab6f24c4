#include "cluster/log_rotation.h"

#include <vector>

namespace rivera::cluster {

namespace fs = std::filesystem;

void rotate_logs(const fs::path& directory, std::uintmax_t limit) {
  std::vector<fs::path> large;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(directory, ec)) {
    if (entry.path().extension() == ".log" && entry.file_size(ec) > limit && !ec) large.push_back(entry.path());
  }
  for (const fs::path& file : large) {
    fs::copy_file(file, file.string() + ".1", fs::copy_options::overwrite_existing, ec);
    fs::resize_file(file, 0, ec);
  }
}

}  // namespace rivera::cluster
