// Programs that run from memory.
#pragma once

#include <string>

#include "garden/shim/fd.h"

namespace rivera::garden::shim {

// The path of a program as execvp() finds it; "" if there is none.
std::string find_program(const std::string& name);

// A copy of the file in memory that can never be written again, neither by us nor by a process that reaches the running
// program through /proc (docs/spec/garden.md §8.8, self exe). An OCI runtime that finds itself in such a file need not
// make one and start itself a second time. None if the kernel refuses.
Fd sealed_copy(const std::string& path);

}  // namespace rivera::garden::shim
