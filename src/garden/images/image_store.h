// The images of containers on this machine's disk: layers, and what each container writes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "garden/images/disk_file.h"
#include "garden/images/layer_views.h"
#include "garden/layers/layer_store.h"

namespace rivera::garden {

// The files:
//   <state_dir>/layers/<layer>          unpacked once (LayerStore)
//   <state_dir>/images/<id>/image.json  which layers the image uses; written first, removed last
//   <state_dir>/images/<id>/disk        with a disk limit: the file system of what the container writes
//   <state_dir>/images/<id>/{diff,work} without: these directories
//   <state_dir>/templates, downloads, archives, trash
//   <run_dir>/disks/<id>                with a disk limit: where its file system is mounted
//   <run_dir>/rootfs/<id>               the overlay
//   <run_dir>/scratch                   empty, but while something is mounted
//
// Blocks: call it on a worker. Different ids and layers may be used on different threads at once.
class ImageStore {
 public:
  ImageStore(std::string state_dir, std::string run_dir);

  const LayerStore& layers() const { return layers_; }

  struct Plan {
    std::string id;
    std::vector<std::string> layers;  // ids, lowest first; at least one
    DiskLimit limit;                  // bytes 0: none
    IdMapping owners;                 // translation(); without ranges: as on the disk
  };
  struct Mounted {
    std::string root;
    std::string
        files;  // a directory that counts against the limit, for files that are bound into the container; "" = none
  };
  // Replaces an image of the same id. Throws std::runtime_error.
  Mounted mount(const Plan& plan) const;
  // A directory of the host as the root of the image `id`, with the container's owners; as it is where the file system
  // cannot show others. Returns its path.
  std::string mount_directory(const std::string& id, const std::string& source, const IdMapping& owners) const;
  // Unmounts, and moves the files to the trash. Does nothing if there is no such image.
  void destroy(const std::string& id) const;
  // Bytes that were written above the layers.
  std::uint64_t used_bytes(const std::string& id, const DiskLimit& limit) const;
  std::string root_of(const std::string& id) const { return mounts_ + "/" + id; }
  std::string files_of(const std::string& id, const DiskLimit& limit) const;

  // Whole or half made.
  std::vector<std::string> image_ids() const;
  // Every layer that an image uses, or that is mounted.
  std::set<std::string> used_layers() const;

  // Deletes the files of destroyed images permanently. Takes as long as there are files. Throws the first failure after
  // trying all.
  void collect_trash() const;
  // At the start of the server: removes what was being made.
  void recover() const;

  // Size of the disk, and what is left for others than root; bytes.
  std::pair<std::uint64_t, std::uint64_t> disk_size() const;
  // A new name for a file that is being downloaded.
  std::string new_download() const;
  // Where an archive of an image's layout is unpacked to.
  const std::string& archives() const { return archives_; }

 private:
  std::string layers_directory_, images_, mounts_, disks_, trash_, templates_, downloads_, archives_;
  LayerStore layers_;
  DiskFiles disk_files_;
  const std::unique_ptr<LayerViews> views_;
};

}  // namespace rivera::garden
