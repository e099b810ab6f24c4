// OCI runtime configuration of a container and of a process in it (docs/spec/garden.md §2.4 to §2.13).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "clients/garden/garden_types.h"
#include "garden/bundle/users.h"
#include "garden/host/host.h"
#include "garden/host/options.h"
#include "garden/ids/id_mapping.h"

namespace rivera::garden {

// A mount as the runtime takes it.
struct Mount {
  std::string destination, type, source;
  std::vector<std::string> options;
};

// What config.json is made from. Each part of the garden adds its share.
struct BundleInput {
  std::string handle;
  std::string root;  // directory
  std::string cgroup_path;
  bool privileged = false;
  IdMapping mapping;
  std::vector<clients::garden::BindMount> bind_mounts;
  std::vector<clients::garden::BindMount> system_mounts;  // ours, after those of the spec
  clients::garden::Limits limits;
  std::vector<Mount> image_mounts;  // of the image, before all others
  // The namespaces ("network", "user" …) that exist already, by their paths.
  std::map<std::string, std::string> joined_namespaces;
  // Kept until the runtime has started what the bundle is for.
  std::vector<std::shared_ptr<const void>> held;
  // Variables of the image, before all others.
  std::vector<std::string> image_env;
  // What runs; empty: garden-init, the first process of a container. Else the bundle is of a process with an image of
  // its own (§2.14), which has no host name and no kernel settings: they are the container's.
  boost::json::object process;

  bool is_pea() const { return !process.empty(); }
};

// config.json. Blocks: looks up the mount options (nodev and so on) of each bind mount's source.
boost::json::object make_bundle(const BundleInput& input, const Options& options, const Host& host);

struct ProcessInput {
  clients::garden::ProcessSpec spec;
  std::vector<std::string> container_env;
  ResolvedUser user;
  std::string directory;
  bool privileged = false;
};

// process.json for `runc exec --process`. The environment holds each name once.
boost::json::object make_process(const ProcessInput& input, const Options& options, const Host& host);

// The capabilities of a container's processes (§2.5), as a mask; those that are not in `held` are left out.
std::uint64_t container_capabilities(bool privileged, bool for_root, std::uint64_t held);

// Image, container and process variables, later ones winning; PATH and USER added where missing (§2.13).
std::vector<std::string> process_environment(const std::vector<std::string>& container_env,
                                             const clients::garden::ProcessSpec& spec, std::uint32_t uid);

// The last 49 characters of the handle.
std::string host_name_of(const std::string& handle);

}  // namespace rivera::garden
