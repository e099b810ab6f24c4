#include "harness/log_tail.h"

#include "cluster/settings/log_files.h"

namespace rivera::harness {

std::string log_tail(const std::filesystem::path& file, std::size_t lines) {
  constexpr std::size_t kLongestLine = 400;
  std::string out;
  for (const std::string& line : cluster::last_lines(file, lines)) {
    out += "  | " + line.substr(0, kLongestLine) + "\n";
  }
  return out;
}

}  // namespace rivera::harness
