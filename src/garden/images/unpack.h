// Turns a directory or a tar file into a layer: a directory tree whose owners are a container's host ids.
#pragma once

#include <cstdint>
#include <string>

#include "garden/host/id_mapping.h"

namespace rivera::garden {

// Copies `source` (a directory, or a tar file, compressed or not) to the empty directory `target`. Owners are
// translated by `mapping`; permission and set-id bits, times, user.* attributes, file capabilities and hard links are
// kept; device nodes, pipes and sockets are left out. Nothing is written outside `target`, whatever the archive holds.
// Returns the bytes of the regular files. Blocks. Throws std::runtime_error naming the entry.
std::uint64_t unpack(const std::string& source, const std::string& target, const IdMapping& mapping);

}  // namespace rivera::garden
