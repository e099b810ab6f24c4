#include "garden/runtime/bind_clones.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <mutex>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ids.h"
#include "garden/ids/mapped_mounts.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace fs = std::filesystem;

// Which file systems have mapped mounts, by what stat() calls their devices. Used on workers.
struct BindClones::Devices {
  std::mutex mutex;
  std::map<dev_t, bool> map_owners;
};

namespace {

constexpr std::size_t kMostDevices = 256;

// Every user may read it, and enter it if it is a directory, independent of its owner.
bool is_open_to_all(const struct stat& info) {
  const mode_t needed = S_ISDIR(info.st_mode) ? S_IROTH | S_IXOTH : S_IROTH;
  return info.st_uid == 0 && (info.st_mode & needed) == needed;
}

bool has_mapped_mounts(const std::string& source) {
  try {
    const IdMapping any{{{0, 1, 1}}, {{0, 1, 1}}};
    const auto mount = mapped_clone(source, mapping_namespace(any));
    return static_cast<bool>(mount);
  } catch (const std::system_error&) {
    return false;
  }
}

void make_target(const std::string& target, bool is_directory) {
  if (is_directory) {
    if (::mkdir(target.c_str(), 0755) != 0) throw std::system_error(errno, std::generic_category(), "mkdir " + target);
    return;
  }
  const base::UniqueFd file(::open(target.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!file) throw std::system_error(errno, std::generic_category(), "make " + target);
}

// With everything that is mounted below it.
void remove_mount_tree(const std::string& directory) {
  if (::umount2(directory.c_str(), MNT_DETACH) != 0 && errno != EINVAL && errno != ENOENT)
    throw std::system_error(errno, std::generic_category(), "unmount " + directory);
  if (::rmdir(directory.c_str()) != 0 && errno != ENOENT)
    throw std::system_error(errno, std::generic_category(), "remove " + directory);
}

// One mount that the others are below, so that all are gone at once.
void make_mount_tree(const std::string& directory) {
  fs::create_directories(fs::path(directory).parent_path());
  if (::chmod(fs::path(directory).parent_path().c_str(), 0711) != 0 || ::mkdir(directory.c_str(), 0711) != 0 ||
      ::mount("garden-binds", directory.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=711,size=64k") != 0) {
    throw std::system_error(errno, std::generic_category(), "prepare bind mounts");
  }
}

}  // namespace

BindClones::BindClones(const Context& context)
    : context_(context),
      directory_(context.options.run_dir + "/binds"),
      devices_(std::make_shared<Devices>()),
      background_(context.executor, context.logger) {}

asio::awaitable<void> BindClones::remove_all() {
  auto remove = [directory = directory_] {
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(directory, ec)) remove_mount_tree(entry.path());
  };
  co_await context_.on_worker(std::move(remove));
}

asio::awaitable<void> BindClones::remove(std::string directory) {
  auto remove = [directory] { remove_mount_tree(directory); };
  co_await context_.on_worker(std::move(remove));
}

// Blocks.
bool BindClones::maps_owners(const std::string& source, dev_t device) {
  {
    const std::lock_guard guard(devices_->mutex);
    const auto known = devices_->map_owners.find(device);
    if (known != devices_->map_owners.end()) return known->second;
  }
  const bool maps = has_mapped_mounts(source);
  const std::lock_guard guard(devices_->mutex);
  if (devices_->map_owners.size() >= kMostDevices) devices_->map_owners.clear();
  devices_->map_owners[device] = maps;
  return maps;
}

asio::awaitable<bool> BindClones::can_serve(std::vector<api::BindMount> mounts) {
  if (mounts.empty()) co_return true;
  auto look = [this, mounts] {
    return std::ranges::all_of(mounts, [this](const api::BindMount& mount) {
      struct stat info {};
      if (::stat(mount.src_path.c_str(), &info) != 0) return true;  // another part reports it
      return maps_owners(mount.src_path, info.st_dev) || (!mount.read_write && is_open_to_all(info));
    });
  };
  const bool can = co_await context_.on_worker(std::move(look));
  co_return can;
}

asio::awaitable<BindClones::Held> BindClones::clone(std::vector<api::BindMount>& mounts, IdMapping owners) {
  if (mounts.empty()) co_return nullptr;
  const std::string directory = directory_ + "/" + base::new_guid();
  // Whatever happens, the clones go. They may be gone in the background: the runtime has mounts of its own by then.
  Held held(this, [this, directory](const void*) { background_.spawn("remove-bind-clones", remove(directory)); });
  auto make = [this, directory, mounts, owners]() mutable {
    make_mount_tree(directory);
    const auto user_namespace = mapping_namespace(owners);
    for (std::size_t i = 0; i < mounts.size(); ++i) {
      api::BindMount& mount = mounts[i];
      struct stat info {};
      if (::stat(mount.src_path.c_str(), &info) != 0)
        throw api::GardenError("bind mount source does not exist: " + mount.src_path);
      if (!maps_owners(mount.src_path, info.st_dev)) continue;
      const auto clone = mapped_clone(mount.src_path, user_namespace);
      const std::string target = directory + "/" + std::to_string(i);
      make_target(target, S_ISDIR(info.st_mode));
      attach_mount(clone, target);
      mount.src_path = target;
    }
    return mounts;
  };
  auto cloned = co_await context_.on_worker(std::move(make));
  mounts = std::move(cloned);
  co_return held;
}

}  // namespace rivera::garden
