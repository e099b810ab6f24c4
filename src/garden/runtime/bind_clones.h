// What is bound from the host into containers whose ids are their own.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/work/task_group.h"
#include "clients/garden/garden_types.h"
#include "garden/host/context.h"
#include "garden/ids/id_mapping.h"

namespace rivera::garden {

// A container without a mapping of its own sees user 2000 of a bound directory as its user 2000, and writes files that
// are user 2000's on the host (docs/spec/garden.md §2.4, §2.8). So that this is so for all containers, the sources are
// mounted once more with mapped owners below <run_dir>/binds, and the runtime binds those.
//
// Used on the garden's executor only.
class BindClones {
 public:
  explicit BindClones(const Context& context);

  // Removes what a server left that was killed.
  asio::awaitable<void> remove_all();
  asio::awaitable<void> stop() { return background_.stop(); }

  // Whether containers with ids of their own can have all these mounts as they should: false if one lies on a file
  // system without mapped mounts, and is written to or not open to everyone.
  asio::awaitable<bool> can_serve(std::vector<clients::garden::BindMount> mounts);

  using Held = std::shared_ptr<const void>;
  // Replaces the sources that can be mapped; `owners` is the translation() for the container. They are there until the
  // runtime has bound them and the result is dropped. Throws std::system_error.
  asio::awaitable<Held> clone(std::vector<clients::garden::BindMount>& mounts, IdMapping owners);

 private:
  bool maps_owners(const std::string& source, dev_t device);
  asio::awaitable<void> remove(std::string directory);

  const Context& context_;
  const std::string directory_;
  struct Devices;
  std::shared_ptr<Devices> devices_;
  base::TaskGroup background_;
};

}  // namespace rivera::garden
