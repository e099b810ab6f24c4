#include "garden/images/overlay.h"

#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <system_error>
#include <thread>
#include <unistd.h>

#include "base/ids.h"

namespace rivera::garden {
namespace {

constexpr std::size_t kMostOptions = 4000;  // of the page that the kernel takes

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
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

// Names by descriptors: the kernel takes no longer texts than 255 bytes, and directories without a path.
std::string path_of(const base::UniqueFd& fd) { return "/proc/self/fd/" + std::to_string(fd.get()); }

base::UniqueFd open_path(int directory, const std::string& name) {
  base::UniqueFd fd(::openat(directory, name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) fail(errno, "open " + name);
  return fd;
}

// A mount that is being put together.
class MountContext {
 public:
  MountContext() : fd_(static_cast<int>(::syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC))) {
    if (!fd_) fail(errno, "fsopen overlay");
  }
  void set(const char* key, const base::UniqueFd& directory) {
    configure(FSCONFIG_SET_STRING, key, path_of(directory).c_str());
  }
  void set_flag(const char* key) { configure(FSCONFIG_SET_FLAG, key, nullptr); }
  base::UniqueFd make() {
    configure(FSCONFIG_CMD_CREATE, nullptr, nullptr);
    base::UniqueFd mount(static_cast<int>(::syscall(SYS_fsmount, fd_.get(), FSMOUNT_CLOEXEC, 0)));
    if (!mount) fail(errno, "fsmount overlay");
    return mount;
  }

 private:
  void configure(unsigned command, const char* key, const char* value) {
    if (::syscall(SYS_fsconfig, fd_.get(), command, key, value, 0) != 0)
      fail(errno, std::string("mount overlay") + (key == nullptr ? "" : std::string(": ") + key));
  }
  base::UniqueFd fd_;
};

// Lower directories, highest first, as the kernel wants them.
std::string lower_option(const std::vector<std::string>& layers) {
  std::string option = "lowerdir=";
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
    if (layer != layers.rbegin()) option += ":";
    option += *layer;
  }
  return option;
}

// A thread of its own changes to the layers' directory and mounts: names are relative to it.
void mount_from(int directory, const std::string& target, const std::string& options) {
  int error = 0;
  std::thread([&] {
    const bool is_there = ::unshare(CLONE_FS) == 0 && ::fchdir(directory) == 0;
    if (!is_there || ::mount("overlay", target.c_str(), "overlay", 0, options.c_str()) != 0) error = errno;
  }).join();
  if (error != 0) fail(error, "mount overlay");
}

// Links with short names to the layers: "0", "1" …
class ShortNames {
 public:
  ShortNames(const base::UniqueFd& layers, const std::vector<std::string>& names, const std::string& scratch)
      : path_(scratch + "/links-" + base::new_guid()) {
    if (::mkdir(path_.c_str(), 0700) != 0) fail(errno, "mkdir " + path_);
    directory_.reset(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory_) fail(errno, "open " + path_);
    for (const auto& name : names) {
      names_.push_back(std::to_string(names_.size()));
      const std::string to = path_of(layers) + "/" + name;
      if (::symlinkat(to.c_str(), directory_.get(), names_.back().c_str()) != 0) fail(errno, "link to a layer");
    }
  }
  ~ShortNames() {
    for (const auto& name : names_) ::unlinkat(directory_.get(), name.c_str(), 0);
    ::rmdir(path_.c_str());
  }
  ShortNames(const ShortNames&) = delete;
  ShortNames& operator=(const ShortNames&) = delete;

  int directory() const { return directory_.get(); }
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::string path_;
  base::UniqueFd directory_;
  std::vector<std::string> names_;
};

}  // namespace

void mount_overlay_by_layers(const Overlay& overlay) {
  MountContext context;
  for (auto layer = overlay.layers.rbegin(); layer != overlay.layers.rend(); ++layer)
    context.set("lowerdir+", open_path(overlay.directory.get(), *layer));
  context.set("upperdir", open_path(AT_FDCWD, overlay.upper));
  context.set("workdir", open_path(AT_FDCWD, overlay.work));
  context.set_flag("volatile");
  const base::UniqueFd mount = context.make();
  if (::syscall(SYS_move_mount, mount.get(), "", AT_FDCWD, overlay.target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
    fail(errno, "mount overlay at " + overlay.target);
}

void mount_overlay_by_text(const Overlay& overlay) {
  const std::string upper = ",upperdir=" + escaped(overlay.upper) + ",workdir=" + escaped(overlay.work) + ",volatile";
  const std::string options = lower_option(overlay.layers) + upper;
  if (options.size() <= kMostOptions) return mount_from(overlay.directory.get(), overlay.target, options);
  const ShortNames links(overlay.directory, overlay.layers, overlay.scratch);
  mount_from(links.directory(), overlay.target, lower_option(links.names()) + upper);
}

void mount_overlay(const Overlay& overlay) {
  // Older kernels take any option and then refuse to mount.
  static std::atomic<bool> takes_layers = true;
  if (takes_layers) {
    try {
      return mount_overlay_by_layers(overlay);
    } catch (const std::system_error& e) {
      if (e.code().value() != EINVAL && e.code().value() != ENOSYS) throw;
    }
  }
  mount_overlay_by_text(overlay);
  takes_layers = false;
}

}  // namespace rivera::garden
