// The layers as containers with different host ids see them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/files.h"
#include "garden/ids/id_mapping.h"

namespace rivera::garden {

// Layers lie on the disk once, with the owners of unprivileged_mapping(). A container with ids of its own gets them
// through a mount of their directory that shows other owners; one such mount serves all layers and every container that
// has the same ids later, and is mounted nowhere.
//
// Blocks. Safe on several threads.
class LayerViews {
 public:
  // `layers` is the layers' directory, `scratch` a directory for what older kernels need while they mount.
  LayerViews(std::string layers, std::string scratch);

  struct Root {
    std::vector<std::string> layers;  // names, lowest first; at least one
    std::string writable;             // its directories "diff" and "work" are made
    std::string target;               // an existing directory
    IdMapping owners;                 // translation(); without ranges the layers are shown as they are
  };
  // Mounts an overlay; "/" looks like that of the highest layer. Throws std::system_error.
  void mount(const Root& root);

  // Mounts a directory at another one, with other owners. Throws std::system_error.
  static void mount_directory(const std::string& source, const std::string& target, const IdMapping& owners);

  // Takes every mount that a directory has; none is no error.
  static void unmount_all(const std::string& target);

  // At the start of the server: removes what a killed one left in `scratch`.
  void recover() const;

 private:
  using Directory = std::shared_ptr<const base::UniqueFd>;
  Directory view(const IdMapping& owners);
  void mount_attached(const Root& root, const std::string& upper, const std::string& work);

  const std::string layers_, scratch_;
  std::mutex mutex_;
  std::map<std::string, Directory> views_;  // by the text of their owners
};

// Why containers cannot have ids of their own here; "" if they can. Tries it out. Blocks.
std::string obstacle_to_id_ranges(const Options& options, const Host& host);

}  // namespace rivera::garden
