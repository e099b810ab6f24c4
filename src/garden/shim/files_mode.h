// The two file transfer modes of the helper program (docs/spec/garden.md §1.9).
#pragma once

#include <string>

namespace rivera::garden::shim {

// Both enter the container behind `pidfd` and end there: for a process that does nothing else.
void stream_in(int pidfd, const std::string& user, const std::string& destination, int tar_fd);
void stream_out(int pidfd, const std::string& user, const std::string& source, int tar_fd);

}  // namespace rivera::garden::shim
