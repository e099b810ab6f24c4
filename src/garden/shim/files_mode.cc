#include "garden/shim/files_mode.h"

#include <csignal>
#include <stdexcept>

#include "garden/shim/enter.h"
#include "garden/shim/fd.h"
#include "garden/shim/tar_create.h"
#include "garden/shim/tar_extract.h"

namespace rivera::garden::shim {

namespace {

// Into the container, into the user's home, from which relative paths are taken.
User enter_as(int pidfd, const std::string& user_name) {
  ::signal(SIGPIPE, SIG_IGN);
  enter_container(pidfd);
  return find_user(user_name);
}

}  // namespace

void stream_in(int pidfd, const std::string& user_name, const std::string& destination, int tar_fd) {
  const User user = enter_as(pidfd, user_name);
  if (destination.empty() || destination[0] != '/') check(::chdir(user.home.c_str()), "chdir " + user.home);
  const std::string target = destination.empty() ? "." : destination;
  make_directories(target, user);
  check(::chdir(target.c_str()), "chdir " + target);
  become(user);
  extract_tar(tar_fd);
}

void stream_out(int pidfd, const std::string& user_name, const std::string& source, int tar_fd) {
  const User user = enter_as(pidfd, user_name);
  if (source.empty()) throw std::runtime_error("no source given");
  if (source[0] != '/') check(::chdir(user.home.c_str()), "chdir " + user.home);
  become(user);
  create_tar(source, tar_fd);
}

}  // namespace rivera::garden::shim
