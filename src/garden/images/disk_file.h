// File systems of a fixed size, each in a sparse file (docs/spec/garden.md §4.7).
#pragma once

#include <cstdint>
#include <string>

namespace rivera::garden {

// What a container may store.
struct DiskLimit {
  std::uint64_t bytes = 0;   // 0: no limit
  std::uint64_t inodes = 0;  // 0: as many as there are blocks
};

// Makes them from templates: `mkfs.ext4` runs once for each size, and its few blocks are copied from then on. The file
// systems have no journal, and nothing is reserved for root, because overlayfs writes as root for every user of
// the container. They do not survive a power loss, as the containers do not. Every function blocks.
class DiskFiles {
 public:
  // `templates` is a directory for the templates, on the disk of the files.
  explicit DiskFiles(std::string templates);

  // Makes the file so that exactly `limit` can be stored, to the next block (4 KiB); directories and the lists of a big
  // file's blocks count. Inodes are rounded up by at most 16 for each 128 MiB. Throws std::runtime_error.
  void create(const std::string& file, const DiskLimit& limit) const;

  // Mounts the file through a loop device, which the kernel frees when the mount is gone.
  static void mount(const std::string& file, const std::string& mount_point);
  // Ends a mount at once: what is not written yet is dropped. Without effect if nothing is mounted there.
  static void unmount(const std::string& mount_point);

  // Bytes that are used of the limit.
  static std::uint64_t used_bytes(const std::string& mount_point, const DiskLimit& limit);

 private:
  std::string template_for(const DiskLimit& limit) const;
  void forget_old_templates() const;

  std::string templates_;
};

}  // namespace rivera::garden
