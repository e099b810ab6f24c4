// Reading the ends of log files.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cluster/settings/settings.h"

namespace rivera::cluster {

// At most `count` lines from the end of a file, in order; empty if it cannot be read.
std::vector<std::string> last_lines(const std::filesystem::path& file, std::size_t count);

// Why a component does not come up: the last line of its log that tells of an error, or the last one of all.
std::string last_error_in_log(const Settings& settings, const std::string& component);

}  // namespace rivera::cluster
