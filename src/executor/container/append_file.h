// Appending to the files that the executor writes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace rivera::executor {

// Appends `bytes` to a file, which is created readable by its owner only. Returns the size of the file. If not all
// bytes can be written none of them stays, so that a later line does not follow a part of one. Blocks. Throws
// std::system_error that names the path.
std::uint64_t append_to_file(const std::filesystem::path& path, std::string_view bytes);

}  // namespace rivera::executor
