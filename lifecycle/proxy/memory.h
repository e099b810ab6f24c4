// The memory of the process.
#pragma once

namespace proxy {

// Gives back what was needed to start: memory that is free, and pages of the program's code, which come back from the
// page cache when they are needed. Most of the code never is again.
void release_memory();

}  // namespace proxy
