#include "cluster/settings/log_files.h"

#include <algorithm>
#include <fcntl.h>
#include <sstream>
#include <unistd.h>

#include "base/files.h"

namespace rivera::cluster {

namespace fs = std::filesystem;

std::vector<std::string> last_lines(const fs::path& file, std::size_t count) {
  constexpr off_t kWindow = 65536;
  const base::UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return {};
  const off_t size = ::lseek(fd.get(), 0, SEEK_END);
  std::string text(static_cast<std::size_t>(std::clamp<off_t>(size, 0, kWindow)), '\0');
  const ssize_t n = ::pread(fd.get(), text.data(), text.size(), size - static_cast<off_t>(text.size()));
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  if (lines.size() > count) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
  return lines;
}

// The reason a component does not come up: the last line of its log that tells an error.
std::string last_error_in_log(const Settings& settings, const std::string& component) {
  const auto lines = last_lines(settings.log_dir() / (component + ".log"), 20);
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    if (line->find("error") != std::string::npos || line->find("fatal") != std::string::npos) return *line;
  }
  return lines.empty() ? "it printed nothing" : lines.back();
}

}  // namespace rivera::cluster
