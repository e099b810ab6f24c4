// Entering a container's namespaces to work on its files.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

namespace rivera::garden::shim {

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string home = "/";
};

// Moves this process into these control groups (directories), so that what it holds counts towards the container's
// limits: pages of a tmpfs belong to the group of the process that wrote them first. Throws std::runtime_error.
void join_cgroups(const std::vector<std::string>& directories);

// Joins the user and mount namespaces of the process behind `pidfd` and becomes root there, so that every path is
// resolved inside the container; closes `pidfd`. Cannot be undone. Throws std::runtime_error.
void enter_container(int pidfd);

// The user as the container's own passwd file knows it; "" is root, known or not. Throws std::runtime_error naming the
// call that failed, as "getpwnam: invalid user: NAME".
User find_user(const std::string& name);

// The names in /etc/passwd or /etc/group, for archives; "" if there is none.
std::string name_of_id(const char* file, unsigned id);

// Becomes that user, irrevocably and without the capabilities of root.
void become(const User& user);

// Makes a directory with all its parents; new ones have mode 0755 and belong to `user`.
void make_directories(const std::string& path, const User& user);

}  // namespace rivera::garden::shim
