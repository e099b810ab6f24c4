// Keeps log files bounded.
#pragma once

#include <cstdint>
#include <filesystem>

namespace rivera::cluster {

// Each file of `directory` that is larger than `limit` bytes is copied to "<file>.1" (replacing the one before) and
// emptied. Its writers append, so they need no notice. What is written between the copy and the emptying is lost.
void rotate_logs(const std::filesystem::path& directory, std::uintmax_t limit);

// Removes the files of `directory` that were written to longest ago, so that `count` are left.
void keep_newest_logs(const std::filesystem::path& directory, std::size_t count);

}  // namespace rivera::cluster
