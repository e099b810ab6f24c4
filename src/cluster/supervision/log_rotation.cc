#include "cluster/supervision/log_rotation.h"

#include <algorithm>
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

void keep_newest_logs(const fs::path& directory, std::size_t count) {
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(directory, ec)) {
    const auto written = entry.last_write_time(ec);
    if (!ec && entry.is_regular_file(ec)) files.emplace_back(written, entry.path());
  }
  if (files.size() <= count) return;
  const auto first_kept = files.end() - static_cast<std::ptrdiff_t>(count);
  std::nth_element(files.begin(), first_kept, files.end());
  for (auto file = files.begin(); file != first_kept; ++file) fs::remove(file->second, ec);
}

}  // namespace rivera::cluster
