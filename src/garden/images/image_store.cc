#include "garden/images/image_store.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <openssl/sha.h>

#include "base/bytes.h"
#include "base/files.h"
#include "base/ids.h"
#include "garden/images/unpack.h"

namespace rivera::garden {

namespace fs = std::filesystem;
using clients::garden::GardenError;

namespace {

constexpr const char* kIncomplete = ".incomplete-";

std::string sha256(const std::string& text) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  ::SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return base::to_hex(std::string_view(reinterpret_cast<const char*>(digest), sizeof digest));
}

// Overlay's options are separated by commas, layers by colons.
std::string escaped(const std::string& path) {
  std::string text;
  for (const char c : path) {
    if (c == '\\' || c == ',' || c == ':') text.push_back('\\');
    text.push_back(c);
  }
  return text;
}

void make_directory(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
    throw std::system_error(errno, std::generic_category(), "mkdir " + path);
  }
  if (::chmod(path.c_str(), mode) != 0) throw std::system_error(errno, std::generic_category(), "chmod " + path);
}

// A source is identified by its path and its own modification time: after a change deep inside a directory, touch the
// directory.
std::string layer_digest(const std::string& path, const struct stat& info, const IdMapping& mapping) {
  std::string text = path + "-" + std::to_string(info.st_mtim.tv_sec) + "." + std::to_string(info.st_mtim.tv_nsec);
  for (const auto* ranges : {&mapping.uids, &mapping.gids}) {
    for (const auto& range : *ranges) {
      text +=
          "-" + std::to_string(range.container) + ":" + std::to_string(range.host) + ":" + std::to_string(range.length);
    }
  }
  return sha256(text);
}

bool is_mount_point(const std::string& path) {
  struct stat here {
  }, above{};
  return ::lstat(path.c_str(), &here) == 0 && ::lstat((path + "/..").c_str(), &above) == 0 &&
         here.st_dev != above.st_dev;
}

}  // namespace

ImageStore::ImageStore(std::string state_dir, std::string run_dir)
    : layers_(state_dir + "/layers"),
      images_(state_dir + "/images"),
      mounts_(run_dir + "/rootfs"),
      trash_(state_dir + "/trash") {
  fs::create_directories(state_dir);
  fs::create_directories(run_dir);
  // A container's root is another user: it must reach its mount, and not list those of others.
  make_directory(run_dir, 0711);
  make_directory(mounts_, 0711);
  for (const auto& directory : {layers_, images_, trash_}) make_directory(directory, 0700);
}

Image ImageStore::create(const std::string& uri, const std::string& id, const IdMapping& mapping) {
  constexpr const char* kRaw = "raw://";
  if (uri.rfind(kRaw, 0) == 0) {
    const std::string path = uri.substr(std::strlen(kRaw));
    if (!fs::is_directory(path)) throw GardenError("image source doesn't exist: " + path);
    return {path, "", 0};
  }
  if (uri.empty() || uri[0] != '/') {
    throw GardenError("running image plugin create: : unsupported root filesystem: " + uri.substr(0, uri.find("://")));
  }
  const Layer layer = layer_for(uri, mapping);
  destroy(id);
  mount_overlay(layer.directory, id);
  return {mounts_ + "/" + id, id, layer.size};
}

ImageStore::Layer ImageStore::layer_for(const std::string& path, const IdMapping& mapping) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) throw GardenError("image source doesn't exist: " + path);
  Layer layer{layers_ + "/" + layer_digest(path, info, mapping), 0};
  const std::string size_file = layer.directory + ".size";
  if (!fs::exists(size_file)) {
    const std::string incomplete = layer.directory + kIncomplete + base::new_guid();
    make_directory(incomplete, 0755);
    try {
      // For a tar without an entry for its root.
      if (::chown(incomplete.c_str(), mapping.host_uid(0), mapping.host_gid(0)) != 0) {
        throw std::system_error(errno, std::generic_category(), "chown");
      }
      const std::uint64_t size = unpack(path, incomplete, mapping);
      if (::rename(incomplete.c_str(), layer.directory.c_str()) != 0) fs::remove_all(incomplete);  // another was first
      base::write_file_atomically(size_file, std::to_string(size));
    } catch (const std::exception& e) {
      std::error_code ignored;
      fs::remove_all(incomplete, ignored);
      throw GardenError("unpacking root filesystem " + path + ": " + e.what());
    }
  }
  layer.size = std::stoull(base::read_file(size_file));
  return layer;
}

void ImageStore::mount_overlay(const std::string& lower, const std::string& id) {
  const std::string image = images_ + "/" + id, mount_point = mounts_ + "/" + id;
  for (const auto& directory : {image, image + "/diff", image + "/work"}) make_directory(directory, 0700);
  make_directory(mount_point, 0755);
  struct stat root {};
  if (::stat(lower.c_str(), &root) != 0) throw std::system_error(errno, std::generic_category(), "stat " + lower);
  // The upper directory is the container's "/" and looks like the layer's.
  if (::chown((image + "/diff").c_str(), root.st_uid, root.st_gid) != 0 ||
      ::chmod((image + "/diff").c_str(), root.st_mode & 07777) != 0) {
    throw std::system_error(errno, std::generic_category(), "prepare image");
  }
  const std::string options =
      "lowerdir=" + escaped(lower) + ",upperdir=" + escaped(image + "/diff") + ",workdir=" + escaped(image + "/work");
  if (::mount("overlay", mount_point.c_str(), "overlay", 0, options.c_str()) != 0) {
    throw std::system_error(errno, std::generic_category(), "mount overlay");
  }
}

void ImageStore::destroy(const std::string& id) {
  if (id.empty()) return;
  const std::string mount_point = mounts_ + "/" + id, image = images_ + "/" + id;
  while (is_mount_point(mount_point)) {
    if (::umount2(mount_point.c_str(), MNT_DETACH) != 0) {
      throw std::system_error(errno, std::generic_category(), "unmount " + mount_point);
    }
  }
  ::rmdir(mount_point.c_str());
  const std::string grave = trash_ + "/" + base::new_guid();
  if (::rename(image.c_str(), grave.c_str()) != 0) {
    if (errno == ENOENT) return;
    throw std::system_error(errno, std::generic_category(), "remove image");
  }
}

std::uint64_t ImageStore::exclusive_bytes(const std::string& id) const {
  if (id.empty()) return 0;
  std::uint64_t bytes = 0;
  std::error_code ec;
  // Files may disappear during the walk: those do not count.
  for (fs::recursive_directory_iterator
           at(images_ + "/" + id + "/diff", fs::directory_options::skip_permission_denied, ec),
       end;
       !ec && at != end; at.increment(ec)) {
    struct stat info {};
    if (::lstat(at->path().c_str(), &info) == 0) bytes += static_cast<std::uint64_t>(info.st_blocks) * 512;
  }
  return bytes;
}

std::pair<std::uint64_t, std::uint64_t> ImageStore::disk_size() const {
  struct statvfs info {};
  if (::statvfs(images_.c_str(), &info) != 0)
    throw std::system_error(errno, std::generic_category(), "statvfs " + images_);
  return {info.f_frsize * info.f_blocks, info.f_frsize * info.f_bavail};
}

std::vector<std::string> ImageStore::image_ids() const {
  std::set<std::string> ids;
  for (const auto& directory : {images_, mounts_}) {
    for (const auto& entry : fs::directory_iterator(directory)) ids.insert(entry.path().filename());
  }
  return {ids.begin(), ids.end()};
}

void ImageStore::collect_trash() {
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(trash_, ec)) fs::remove_all(entry.path(), ec);
}

void ImageStore::remove_incomplete_layers() {
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(layers_, ec)) {
    if (entry.path().filename().string().find(kIncomplete) != std::string::npos) fs::remove_all(entry.path(), ec);
  }
}

}  // namespace rivera::garden
