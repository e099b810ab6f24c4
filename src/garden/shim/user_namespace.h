// A container's user namespace, made before the runtime starts the container in it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "garden/shim/fd.h"

namespace rivera::garden::shim {

// The kernel charges what a user namespace's processes hold (inotify instances, bytes of message queues, queued
// signals, locked memory) to its owner in the namespace above, too. A runtime makes every namespace as root: then one
// container can use up what root and all other containers may hold. So each container's namespace has an owner of its
// own, an id that nothing else uses.
struct UserNamespaceRequest {
  unsigned owner = 0;
  std::string uid_map, gid_map;  // "inside outside length" lines
  // Of /proc/sys/user: what each user of the namespace may hold.
  std::vector<std::pair<std::string, std::string>> limits;
};

// Reads "OWNER UID_MAP GID_MAP [NAME=VALUE...]", with commas for the maps' newlines. Throws std::exception.
UserNamespaceRequest parse_user_namespace(const std::vector<std::string>& words);

// Makes the namespace; it exists as long as the descriptor or a process in it. The caller has one thread. Throws
// std::runtime_error.
Fd make_user_namespace(const UserNamespaceRequest& request);

}  // namespace rivera::garden::shim
