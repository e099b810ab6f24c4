// Writes a tar stream of files.
#pragma once

#include <string>

namespace rivera::garden::shim {

// Writes `source` (a path; one that ends in "/" gives the directory's content as "./…") to `fd`: regular files, hard
// links, directories, symbolic links, devices and pipes, with extended attributes of the user namespace. Sockets are
// left out. Throws std::runtime_error naming the file; before the first byte if `source` does not exist.
void create_tar(const std::string& source, int fd);

}  // namespace rivera::garden::shim
