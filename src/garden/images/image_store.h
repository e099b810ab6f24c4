// Root filesystems: layers unpacked once and shared, an overlay per container (docs/spec/garden.md §2.2, §4).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "clients/garden/garden_types.h"
#include "garden/host/id_mapping.h"

namespace rivera::garden {

// A root filesystem ready for a container. Kept with the container.
struct Image {
  std::string root;        // the directory to run on
  std::string id;          // names its place in the store; "" for a raw directory, which has none
  std::uint64_t size = 0;  // bytes of the layers below
};

// Directories: <state>/layers/<digest> (content with ids of the host), <state>/layers/<digest>.size,
// <state>/images/<id>/{diff,work}; mounts at <run>/rootfs/<id>.
//
// Every call blocks and may be made from several worker threads at once. Two that need the same missing layer both
// unpack it, and the first to finish wins.
class ImageStore {
 public:
  ImageStore(std::string state_dir, std::string run_dir);

  // `uri`: "/directory", "/file.tar", or "raw:///directory". Makes image `id`; an earlier one of that id is removed.
  // Throws clients::garden::GardenError with a text for the client.
  Image create(const std::string& uri, const std::string& id, const IdMapping& mapping);
  // Unmounts and removes. Without error if there is none.
  void destroy(const std::string& id);
  // Bytes the container itself has written.
  std::uint64_t exclusive_bytes(const std::string& id) const;
  // Bytes of the file system the store is on: all, and free for us.
  std::pair<std::uint64_t, std::uint64_t> disk_size() const;
  // The ids of all images, complete or not.
  std::vector<std::string> image_ids() const;
  // Deletes the files that destroy() has moved away.
  void collect_trash();
  // Deletes layers whose unpacking was interrupted. Not while create() runs.
  void remove_incomplete_layers();

 private:
  struct Layer {
    std::string directory;
    std::uint64_t size = 0;
  };
  Layer layer_for(const std::string& path, const IdMapping& mapping);
  void mount_overlay(const std::string& lower, const std::string& id);

  std::string layers_, images_, mounts_, trash_;
};

}  // namespace rivera::garden
