// Unpacks a tar stream into the working directory.
#pragma once

namespace rivera::garden::shim {

// Reads `fd` to its end. Files belong to the user who runs this and get the archive's permission bits less umask 022,
// without set-id bits (docs/spec/garden.md §1.9). An existing file is replaced, an existing directory kept. Leading
// slashes are dropped; names with ".." are refused. Understands ustar, GNU long names and old GNU sparse files, PAX
// paths, sizes, times, extended attributes and sparse maps 1.0. Throws std::runtime_error naming the entry.
void extract_tar(int fd);

}  // namespace rivera::garden::shim
