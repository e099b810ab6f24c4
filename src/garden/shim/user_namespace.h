// A container's user and network namespaces, made before the runtime starts the container in them.
#pragma once

#include <cstdint>
#include <optional>
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
  // The file in which the ids that no other container has are locked, as long as the shim lives; "": there are none.
  std::string lock_file;
  std::int64_t first_id = 0, id_count = 0;
};

// Reads "OWNER UID_MAP GID_MAP [NAME=VALUE...] [ids=FIRST:COUNT:LOCK_FILE]", with commas for the maps' newlines. Throws
// std::exception.
UserNamespaceRequest parse_user_namespace(const std::vector<std::string>& words);

struct Namespaces {
  Fd user, network;
};

// Makes what is asked for, the network namespace as one of the new user namespace, if there is one, as the runtime
// would. Each exists as long as the descriptor or a process in it. The caller has one thread. Throws
// std::runtime_error.
Namespaces make_namespaces(const std::optional<UserNamespaceRequest>& user, bool network);

// Holds the container's own ids, beside the garden, which may end before its containers. None if there are none. Throws
// std::runtime_error.
Fd hold_ids(const UserNamespaceRequest& request);

}  // namespace rivera::garden::shim
