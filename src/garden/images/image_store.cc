#include "garden/images/image_store.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>

#include "base/files.h"
#include "base/ids.h"
#include "base/untrusted/tree.h"
#include "garden/images/mount_points.h"

namespace rivera::garden {

namespace fs = std::filesystem;

namespace {

void make_directory(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST)
    throw std::system_error(errno, std::generic_category(), "mkdir " + path);
  if (::chmod(path.c_str(), mode) != 0) throw std::system_error(errno, std::generic_category(), "chmod " + path);
}

}  // namespace

ImageStore::ImageStore(std::string state_dir, std::string run_dir)
    : layers_directory_(state_dir + "/layers"),
      images_(state_dir + "/images"),
      mounts_(run_dir + "/rootfs"),
      disks_(run_dir + "/disks"),
      trash_(state_dir + "/trash"),
      templates_(state_dir + "/templates"),
      downloads_(state_dir + "/downloads"),
      archives_(state_dir + "/archives"),
      layers_(layers_directory_, trash_),
      disk_files_(templates_),
      views_(std::make_unique<LayerViews>(layers_directory_, run_dir + "/scratch")) {
  fs::create_directories(state_dir);
  fs::create_directories(run_dir);
  // A container's root is another user: it must reach its mount, and not list those of others.
  for (const auto& directory : {run_dir, mounts_, disks_}) make_directory(directory, 0711);
  for (const auto& directory : {layers_directory_, images_, trash_, templates_, downloads_, archives_})
    make_directory(directory, 0700);
  make_directory(run_dir + "/scratch", 0700);
}

ImageStore::Mounted ImageStore::mount(const Plan& plan) const {
  destroy(plan.id);
  const std::string image = images_ + "/" + plan.id;
  make_directory(image, 0700);
  boost::json::array layers;
  for (const auto& layer : plan.layers) layers.emplace_back(layer);
  base::write_file_atomically(image + "/image.json", boost::json::serialize(boost::json::object{{"layers", layers}}));
  std::string writable = image;
  if (plan.limit.bytes > 0) {
    writable = disks_ + "/" + plan.id;
    make_directory(writable, 0711);
    disk_files_.create(image + "/disk", plan.limit);
    DiskFiles::mount(image + "/disk", writable);
    make_directory(writable, 0711);
    make_directory(files_of(plan.id, plan.limit), 0711);
  }
  const std::string target = root_of(plan.id);
  make_directory(target, 0755);
  views_->mount({plan.layers, writable, target, plan.owners});
  return {target, files_of(plan.id, plan.limit)};
}

std::string ImageStore::files_of(const std::string& id, const DiskLimit& limit) const {
  return limit.bytes > 0 ? disks_ + "/" + id + "/files" : "";
}

std::string ImageStore::mount_directory(const std::string& id, const std::string& source,
                                        const IdMapping& owners) const {
  destroy(id);
  std::string target = root_of(id);
  make_directory(target, 0755);
  try {
    LayerViews::mount_directory(source, target, owners);
    return target;
  } catch (const std::system_error&) {
    ::rmdir(target.c_str());
    return source;
  }
}

void ImageStore::destroy(const std::string& id) const {
  if (id.empty()) return;
  const std::string mount_point = root_of(id), disk = disks_ + "/" + id, image = images_ + "/" + id;
  LayerViews::unmount_all(mount_point);
  ::rmdir(mount_point.c_str());
  DiskFiles::unmount(disk);
  ::rmdir(disk.c_str());
  const std::string grave = trash_ + "/" + base::new_guid();
  if (::rename(image.c_str(), grave.c_str()) != 0) {
    if (errno == ENOENT) return;
    throw std::system_error(errno, std::generic_category(), "remove image");
  }
}

std::uint64_t ImageStore::used_bytes(const std::string& id, const DiskLimit& limit) const {
  if (id.empty()) return 0;
  if (limit.bytes > 0) return DiskFiles::used_bytes(disks_ + "/" + id, limit);
  return base::measure_tree(images_ + "/" + id + "/diff").bytes;
}

std::pair<std::uint64_t, std::uint64_t> ImageStore::disk_size() const {
  struct statvfs info {};
  if (::statvfs(images_.c_str(), &info) != 0)
    throw std::system_error(errno, std::generic_category(), "statvfs " + images_);
  return {info.f_frsize * info.f_blocks, info.f_frsize * info.f_bavail};
}

std::vector<std::string> ImageStore::image_ids() const {
  std::set<std::string> ids;
  for (const auto& directory : {images_, mounts_, disks_}) {
    for (const auto& entry : fs::directory_iterator(directory)) ids.insert(entry.path().filename());
  }
  return {ids.begin(), ids.end()};
}

std::set<std::string> ImageStore::used_layers() const {
  std::set<std::string> used = mounted_layers(layers_directory_);
  for (const auto& entry : fs::directory_iterator(images_)) {
    const fs::path file = entry.path() / "image.json";
    if (!fs::exists(file)) continue;  // of an earlier server: it is mounted
    const auto json = boost::json::parse(base::read_file(file));
    for (auto& layer : boost::json::value_to<std::vector<std::string>>(json.at("layers")))
      used.insert(std::move(layer));
  }
  return used;
}

void ImageStore::collect_trash() const {
  std::exception_ptr failure;
  for (const auto& entry : fs::directory_iterator(trash_)) {
    try {
      base::remove_tree(entry.path());
    } catch (const std::exception&) {
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

void ImageStore::recover() const {
  views_->recover();
  layers_.recover(used_layers());
  for (const auto& directory : {downloads_, archives_}) {
    for (const auto& entry : fs::directory_iterator(directory)) base::remove_tree(entry.path());
  }
  for (const auto& entry : fs::directory_iterator(templates_)) {
    if (entry.path().extension() != ".ext4") base::remove_tree(entry.path());  // half made
  }
}

std::string ImageStore::new_download() const { return downloads_ + "/" + base::new_guid(); }

}  // namespace rivera::garden
