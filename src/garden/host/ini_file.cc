#include "garden/host/ini_file.h"

#include <sstream>
#include <stdexcept>

#include <fmt/format.h>

#include "base/files.h"

namespace rivera::garden {
namespace {

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::string read_text(const std::string& path) {
  try {
    return base::read_file(path);
  } catch (const std::exception& e) {
    throw std::invalid_argument(e.what());
  }
}

}  // namespace

std::vector<std::string> read_ini_arguments(const std::string& path) {
  std::vector<std::string> out;
  std::istringstream in(read_text(path));
  std::string section, line;
  for (int number = 1; std::getline(in, line); ++number) {
    line = trimmed(line);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line.front() == '[' && line.back() == ']') {
      section = trimmed(line.substr(1, line.size() - 2));
      continue;
    }
    const auto equals = line.find('=');
    const std::string name = trimmed(line.substr(0, equals));
    if (equals == std::string::npos || name.empty() || section != "server") {
      throw std::invalid_argument(fmt::format("{}:{}: expected NAME = VALUE below [server]", path, number));
    }
    out.push_back(fmt::format("--{}={}", name, trimmed(line.substr(equals + 1))));
  }
  return out;
}

}  // namespace rivera::garden
