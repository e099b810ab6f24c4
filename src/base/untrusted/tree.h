// Walks over directory trees that an untrusted program made: of any depth, any width and with any names.
#pragma once

#include <cstdint>
#include <filesystem>

namespace rivera::base {

// Removes a file or a directory with all that is in it; nothing if it does not exist. Needs a few descriptors and
// little memory however deep the tree is, follows no symbolic link, and leaves no file system: a mount point below is
// an error. Clears the flags "immutable" and "append only". Starts up to 15 threads where there is much to do. Nothing
// else may write to the tree. Blocks. Throws std::system_error naming the path.
void remove_tree(const std::filesystem::path& path);

struct TreeUsage {
  std::uint64_t bytes = 0;    // blocks on the disk
  std::uint64_t entries = 0;  // files and directories, without the top
  bool is_complete = true;    // false: the walk stopped early
};

// What a tree takes on its disk. Other programs may change it meanwhile: what they move or remove during the walk
// counts or does not. Stops after `most_entries`, and where a directory it stands in was moved elsewhere. One
// descriptor; 16 bytes of memory a level. Blocks. Throws std::system_error if the top cannot be read.
TreeUsage measure_tree(const std::filesystem::path& top, std::uint64_t most_entries = 10'000'000);

}  // namespace rivera::base
