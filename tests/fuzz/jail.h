// A root directory of its own for code that unpacks archives: nothing that it does by mistake reaches the machine.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace rivera::fuzz {

// Calls `work` with a root that holds the empty directories "/inside" (the working directory) and "/again", and
// "/outside" with a file. It is a file system in memory of 64 MiB, emptied before each call. Aborts if this process is
// not root's. What `work` throws passes through.
void in_jail(const std::function<void()>& work);

// Within in_jail(): aborts if something outside "/inside", "/again" and `others` (names in "/") was made, changed,
// linked or removed.
void check_outside(const std::string& others = "");

// Within in_jail(): the file "/NAME" with that content, open for reading and writing at its beginning; the caller
// closes it.
int file_in_jail(const std::string& name, std::string_view content = {});

// What is in a directory: a line for each entry, sorted, with its name, type, mode, owner, size, content, links and
// attributes. The names of one file have one number.
std::string listing(const std::string& directory);

struct Usage {
  std::uint64_t bytes = 0;  // of regular files, holes included
  std::uint64_t entries = 0;
  bool has_nodes = false;   // devices other than whiteouts (character device 0:0), pipes, sockets
  bool has_set_id = false;  // set-user-id or set-group-id bits
};
Usage usage_of(const std::string& directory);

// Visits the extended attributes of what is in a directory.
void for_each_attribute(const std::string& directory,
                        const std::function<void(const std::string& name, const std::string& value)>& visit);

}  // namespace rivera::fuzz
