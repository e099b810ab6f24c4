#include "garden/images/layer_views.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/mount.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "base/ids.h"
#include "base/on_exit.h"
#include "garden/ids/mapped_mounts.h"
#include "garden/images/overlay.h"

namespace rivera::garden {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostViews = 4096;

[[noreturn]] void fail_view(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

void make_private_directory(const std::string& path, mode_t mode) {
  if ((::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) || ::chmod(path.c_str(), mode) != 0)
    fail_view("mkdir " + path);
}

std::string key_of(const IdMapping& owners) {
  std::string key;
  for (const auto* ranges : {&owners.uids, &owners.gids}) {
    for (const auto& range : *ranges) {
      key +=
          std::to_string(range.container) + ":" + std::to_string(range.host) + ":" + std::to_string(range.length) + " ";
    }
    key += "|";
  }
  return key;
}

base::UniqueFd open_directory(const std::string& path) {
  base::UniqueFd directory(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) fail_view("open " + path);
  return directory;
}

}  // namespace

LayerViews::LayerViews(std::string layers, std::string scratch)
    : layers_(std::move(layers)), scratch_(std::move(scratch)) {}

LayerViews::Directory LayerViews::view(const IdMapping& owners) {
  const std::string key = key_of(owners);
  {
    const std::lock_guard guard(mutex_);
    const auto known = views_.find(key);
    if (known != views_.end()) return known->second;
  }
  auto made = std::make_shared<const base::UniqueFd>(
      owners.uids.empty() ? open_directory(layers_) : mapped_clone(layers_, mapping_namespace(owners)));
  const std::lock_guard guard(mutex_);
  if (views_.size() >= kMostViews) views_.clear();
  return views_.emplace(key, std::move(made)).first->second;
}

void LayerViews::mount(const Root& root) {
  const Directory layers = view(root.owners);
  const std::string upper = root.writable + "/diff", work = root.writable + "/work";
  make_private_directory(upper, 0700);
  make_private_directory(work, 0700);
  // The upper directory is the container's "/".
  struct stat top {};
  if (::fstatat(layers->get(), root.layers.back().c_str(), &top, 0) != 0) fail_view("stat a layer");
  if (::chown(upper.c_str(), top.st_uid, top.st_gid) != 0 || ::chmod(upper.c_str(), top.st_mode & 07777) != 0)
    fail_view("prepare image");
  try {
    mount_overlay({*layers, root.layers, upper, work, root.target, scratch_});
    return;
  } catch (const std::system_error& e) {
    if (root.owners.uids.empty() || e.code().value() != EINVAL) throw;
  }
  mount_attached(root, upper, work);
}

// For kernels that take no layers from a mount that is mounted nowhere.
void LayerViews::mount_attached(const Root& root, const std::string& upper, const std::string& work) {
  const std::string place = scratch_ + "/view-" + base::new_guid();
  make_private_directory(place, 0700);
  const base::OnExit remove([&place] {
    ::umount2(place.c_str(), MNT_DETACH);  // the overlay has mounts of its own
    ::rmdir(place.c_str());
  });
  attach_mount(mapped_clone(layers_, mapping_namespace(root.owners)), place);
  const base::UniqueFd layers = open_directory(place);
  mount_overlay({layers, root.layers, upper, work, root.target, scratch_});
}

void LayerViews::mount_directory(const std::string& source, const std::string& target, const IdMapping& owners) {
  attach_mount(mapped_clone(source, mapping_namespace(owners)), target);
}

void LayerViews::unmount_all(const std::string& target) {
  while (::umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  if (errno != EINVAL && errno != ENOENT) fail_view("unmount " + target);
}

// Never deep: what is mounted there shows the layers.
void LayerViews::recover() const {
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(scratch_, ec)) {
    unmount_all(entry.path());
    for (const auto& link : fs::directory_iterator(entry.path(), ec)) {
      if (link.is_symlink(ec)) ::unlink(link.path().c_str());
    }
    ::rmdir(entry.path().c_str());
  }
}

std::string obstacle_to_id_ranges(const Options& options, const Host& host) {
  const IdMapping disk = unprivileged_mapping(options, host);
  const std::string place = options.state_dir + "/probe-" + base::new_guid(), target = place + "/root";
  const base::OnExit remove([&] {
    ::umount2(target.c_str(), MNT_DETACH);
    std::error_code ignored;
    fs::remove_all(place, ignored);
  });
  try {
    for (const char* part : {"", "/layers", "/layers/one", "/layers/one/entry", "/scratch", "/root"})
      fs::create_directories(place + part);
    for (const char* part : {"/layers/one", "/layers/one/entry"}) {
      if (::chown((place + part).c_str(), disk.host_uid(0), disk.host_gid(0)) != 0) fail_view("chown");
    }
    const auto first = options.container_id_pool_start, length = options.container_id_range_length;
    if (std::uint64_t{first} + length > host.largest_id) return "the host has no such ids";
    LayerViews views(place + "/layers", place + "/scratch");
    const IdMapping owners = translation(disk, own_mapping(first, length));
    views.mount({{"one"}, place, target, owners});
    struct stat info {};
    if (::stat((target + "/entry").c_str(), &info) != 0) fail_view("look into an overlay");
    // A change, which copies the entry to the upper directory.
    if (info.st_uid != first || ::chmod((target + "/entry").c_str(), 0711) != 0) return "owners are not mapped";
    return "";
  } catch (const std::exception& e) {
    return e.what();
  }
}

}  // namespace rivera::garden
