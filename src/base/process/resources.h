// What the operating system grants this process.
#pragma once

#include <cstddef>

namespace rivera::base {

// Raises the soft limit of open descriptors to the hard one. Child processes inherit it.
void raise_descriptor_limit();

// How many descriptors (files, sockets, pipes) this process may have open.
std::size_t descriptor_limit();

// Returns memory that was freed to the operating system, which the allocator does not always do by itself. Takes
// milliseconds: for the time after much was freed.
void return_free_memory();

}  // namespace rivera::base
