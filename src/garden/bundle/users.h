// Users and groups as a container's own files name them (docs/spec/garden.md §2.13).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rivera::garden {

struct ResolvedUser {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> additional_gids;
  std::string home = "/";
};

// `user` is a name, uid, "name:group", "uid:gid" or "uid:group"; "" is uid 0. A number is always an id, never a name.
// Supplementary groups are looked up only if `user` names no group. `passwd` and `group` are those files' contents.
// Throws clients::garden::GardenError("unable to find user U: no matching entries in passwd file"). Pure.
ResolvedUser resolve_user(std::string_view user, std::string_view passwd, std::string_view group);

// The user of a process with an image of its own (§2.14): "" is 0:0, "uid:gid" is taken as it is, a name or number
// alone is looked up in that image. There are no supplementary groups. Throws GardenError("parse-user: 'U' is not a
// valid uid:gid") where a colon does not separate two numbers. Pure.
ResolvedUser resolve_pea_user(std::string_view user, std::string_view passwd);

// The content of `path` inside the root directory `root_fd`; symbolic links are resolved within that root. "" if it is
// missing or no regular file; at most 1 MiB.
std::string read_file_in_root(int root_fd, const std::string& path);

// Whether `path` is a directory inside `root_fd`.
bool is_directory_in_root(int root_fd, const std::string& path);

// Makes `path`, which has no "..", and its missing parents inside `root_fd` (mode 0755, owned by the host's `uid` and
// `gid`), without ever leaving that root. Throws std::system_error.
void make_directories_in_root(int root_fd, const std::string& path, std::uint32_t uid, std::uint32_t gid);

}  // namespace rivera::garden
