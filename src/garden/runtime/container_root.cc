#include "garden/runtime/container_root.h"

#include <fcntl.h>
#include <poll.h>

namespace rivera::garden {

namespace api = clients::garden;

bool has_ended(const base::UniqueFd& pidfd) {
  pollfd ended{pidfd.get(), POLLIN, 0};
  return !pidfd || ::poll(&ended, 1, 0) > 0;
}

base::UniqueFd open_root(const Container& container) {
  const std::string path = "/proc/" + std::to_string(container.init_pid) + "/root";
  base::UniqueFd root(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  // Checked after the directory is open: until then the number could have come to belong to another process.
  if (has_ended(container.init)) throw api::GardenError("the container's first process has ended");
  if (!root) throw std::system_error(errno, std::generic_category(), "open the container's root");
  return root;
}

void check_ids_are_mapped(const IdMapping& mapping, const ResolvedUser& user) {
  if (!mapping.has_uid(user.uid)) throw api::GardenError("uid " + std::to_string(user.uid) + " is not mapped");
  std::vector<std::uint32_t> gids = user.additional_gids;
  gids.push_back(user.gid);
  for (const std::uint32_t gid : gids) {
    if (!mapping.has_gid(gid)) throw api::GardenError("gid " + std::to_string(gid) + " is not mapped");
  }
}

}  // namespace rivera::garden
