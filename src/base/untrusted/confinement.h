// Taking rights away from a process that is about to read hostile input.
#pragma once

#include <cstdint>
#include <sys/types.h>

namespace rivera::base {

// The user and group of confined processes, and so the owner of the files that they write. No account has this number.
// Where the machine does not know it (a user namespace that maps fewer), the user 65534 is used: confined_user().
inline constexpr uid_t kConfinedUser = 4'294'967'291;
inline constexpr uid_t kNobody = 65'534;

struct Confinement {
  int directory = -1;  // a descriptor of the only directory the process may use, which becomes "/"; -1: none
  uid_t user = kConfinedUser;
  std::uint64_t most_file_bytes = 0;    // of one file that it writes
  std::uint64_t most_memory_bytes = 0;  // of address space; 0: no limit
  std::uint64_t most_cpu_seconds = 600;
};

// Confines the calling process for the rest of its life: the directory becomes its root, and by Landlock (where the
// kernel has it) the only place it can use; it has no network, no other process to signal and no way to start one; it
// runs as `user` without any privilege, and can gain none; it is killed when its parent ends. Descriptors that are open
// stay usable. A process that is not root keeps its user, and only Landlock and the limits hold it.
//
// Call it in a process of one thread, before reading anything. Throws std::system_error.
void confine_process(const Confinement& confinement);

// Gives an empty directory to the user of confined processes, and returns that user. Without root's rights: our own.
// Throws std::system_error.
uid_t give_to_confined_user(int directory);

}  // namespace rivera::base
