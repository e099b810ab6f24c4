// Garden's helper program: the supervisor of one container, and file transfer into and out of one. Static, so that
// nothing of a container is ever loaded into it.
//
//   garden-shim supervise DIRECTORY [network] [OWNER UID_MAP GID_MAP [NAME=VALUE...]]    (prints the network and user
//                                                                                         namespaces it made)
//   garden-shim stream-in USER DESTINATION [CGROUP...]    (tar on standard input; a pidfd of the container as
//                                                          descriptor 3; joins the control groups first)
//   garden-shim stream-out USER SOURCE [CGROUP...]        (tar on standard output; likewise)
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

#include "garden/shim/enter.h"
#include "garden/shim/files_mode.h"
#include "garden/shim/supervisor.h"

namespace shim = rivera::garden::shim;

int main(int argc, char** argv) {
  constexpr int kPidFd = 3;
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const std::string mode = arguments.empty() ? "" : arguments[0];
  // Closes what garden has open: a socket kept here would stay open after garden's exit.
  ::close_range(mode == "supervise" ? kPidFd : kPidFd + 1, ~0u, 0);
  const auto from = [&arguments](std::ptrdiff_t first) {
    return std::vector<std::string>(arguments.begin() + first, arguments.end());
  };
  try {
    if (mode == "supervise" && arguments.size() >= 2) {
      shim::NamespaceRequest request;
      request.network = arguments.size() > 2 && arguments[2] == "network";
      const auto user = from(request.network ? 3 : 2);
      if (!user.empty()) request.user = shim::parse_user_namespace(user);
      return shim::supervise(arguments[1], request);
    }
    if (mode == "stream-in" && arguments.size() >= 3) {
      shim::join_cgroups(from(3));
      shim::stream_in(kPidFd, arguments[1], arguments[2], 0);
      return 0;
    }
    if (mode == "stream-out" && arguments.size() >= 3) {
      shim::join_cgroups(from(3));
      shim::stream_out(kPidFd, arguments[1], arguments[2], 1);
      return 0;
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  std::fprintf(stderr, "garden-shim is started by garden\n");
  return 2;
}
