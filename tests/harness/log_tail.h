// The ends of log files, for what a failed test prints.
#pragma once

#include <filesystem>
#include <string>

namespace rivera::harness {

// The last lines of a file, each cut at 400 bytes, "  | " before each. "" if there is no such file.
std::string log_tail(const std::filesystem::path& file, std::size_t lines);

}  // namespace rivera::harness
