#include "jail.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <map>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sanitizer/asan_interface.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/untrusted/tree.h"
#include "targets.h"

namespace rivera::fuzz {
namespace {

constexpr const char* kWitness = "/outside/witness";
constexpr const char* kUntouched = "untouched";

void must(int result, const char* what) {
  if (result < 0) broken(fmt::format("{} works: {}", what, std::strerror(errno)));
}

// Where the process lives between calls, and returns to before it ends: libFuzzer keeps failing inputs there.
struct Places {
  int root = -1;
  int directory = -1;
  int jail = -1;
  dev_t jail_device = 0;
  bool is_away = false;
};
Places& places() {
  static Places the_ones;
  return the_ones;
}

void return_home() noexcept {
  if (!std::exchange(places().is_away, false)) return;
  [[maybe_unused]] int ignored = ::fchdir(places().root);
  ignored = ::chroot(".");
  ignored = ::fchdir(places().directory);
}

dev_t device_of(int directory) {
  struct stat info {};
  must(::fstat(directory, &info), "fstat");
  return info.st_dev;
}

// The jail is mounted nowhere: no path leads to it, and none of its paths can be taken for one of the machine's.
void prepare() {
  places().root = ::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  places().directory = ::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  must(::unshare(CLONE_FS), "a root of this thread alone");  // libFuzzer's other threads keep theirs
  const int context = ::fsopen("tmpfs", FSOPEN_CLOEXEC);
  must(context, "fsopen, as root,");
  must(::fsconfig(context, FSCONFIG_SET_STRING, "size", "64m", 0), "fsconfig");
  must(::fsconfig(context, FSCONFIG_SET_STRING, "mode", "0755", 0), "fsconfig");
  must(::fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0), "fsconfig");
  places().jail = ::fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
  must(places().jail, "fsmount");
  ::close(context);
  places().jail_device = device_of(places().jail);
  if (places().jail_device == device_of(places().root)) broken("the jail is a file system of its own");
  base::set_last_act(&return_home);
  before_abort(&return_home);
  __asan_set_error_report_callback([](const char*) { return_home(); });
}

void enter() {
  must(::fchdir(places().jail), "fchdir");
  must(::chroot("."), "chroot");
  places().is_away = true;
  must(::chdir("/"), "chdir");
  struct stat info {};
  must(::stat("/", &info), "stat");
  if (info.st_dev != places().jail_device) broken("the root is the jail");  // before anything is removed
}

// Within the jail.
void furnish() {
  for (const auto& entry : std::filesystem::directory_iterator("/")) base::remove_tree(entry.path());
  for (const char* name : {"/inside", "/again", "/outside"}) must(::mkdir(name, 0755), "mkdir");
  const int file = ::open(kWitness, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
  must(file, "open");
  must(static_cast<int>(::write(file, kUntouched, std::strlen(kUntouched))), "write");
  const timespec times[2] = {{1, 0}, {1, 0}};
  must(::futimens(file, times), "futimens");
  ::close(file);
  must(::chdir("/inside"), "chdir");
}

std::string content_of(const std::string& path, std::int64_t size) {
  constexpr std::int64_t kMost = 1 << 20;
  if (size > kMost) return "large";
  std::string text(static_cast<std::size_t>(size), '\0');
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  const auto count = file < 0 ? -1 : ::read(file, text.data(), text.size());
  if (file >= 0) ::close(file);
  return count < 0 ? "unreadable" : base::to_hex(std::string_view(text).substr(0, static_cast<std::size_t>(count)));
}

using Attributes = std::map<std::string, std::string>;
Attributes attributes_of(const std::string& path) {
  Attributes all;
  std::string names(4096, '\0');
  const auto size = ::llistxattr(path.c_str(), names.data(), names.size());
  for (std::size_t at = 0; size > 0 && at < static_cast<std::size_t>(size);) {
    const std::string name = names.c_str() + at;
    at += name.size() + 1;
    std::string value(4096, '\0');
    const auto length = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    value.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
    all[name] = value;
  }
  return all;
}

struct Found {
  std::string name;  // within the directory
  struct stat info;
};

std::vector<Found> walk(const std::string& directory) {
  std::vector<Found> all;
  namespace fs = std::filesystem;
  std::error_code ec;  // a path may be too long to be opened
  for (auto at = fs::recursive_directory_iterator(directory, ec); at != fs::recursive_directory_iterator();
       at.increment(ec)) {
    Found found{at->path().string().substr(directory.size()), {}};
    if (::lstat(at->path().c_str(), &found.info) == 0) all.push_back(std::move(found));
    if (ec) break;
  }
  std::sort(all.begin(), all.end(), [](const Found& a, const Found& b) { return a.name < b.name; });
  return all;
}

}  // namespace

void in_jail(const std::function<void()>& work) {
  static const bool is_prepared = (prepare(), true);
  if (!is_prepared) return;
  try {
    enter();
    furnish();
    work();
  } catch (...) {
    return_home();
    throw;
  }
  return_home();
}

void check_outside(const std::string& others) {
  for (const auto& entry : std::filesystem::directory_iterator("/")) {
    const std::string name = entry.path().filename();
    const bool is_known = name == "inside" || name == "again" || name == "outside";
    if (!is_known && (" " + others + " ").find(" " + name + " ") == std::string::npos) {
      broken("nothing is made beside the directory: " + name);
    }
  }
  const auto outside = walk("/outside");
  if (outside.size() != 1 || outside.front().name != "/witness") broken("nothing is made outside the directory");
  const struct stat& info = outside.front().info;
  if (info.st_nlink != 1) broken("no file outside the directory is linked");
  if (info.st_mode != (S_IFREG | 0640) || info.st_uid != 0 || info.st_mtim.tv_sec != 1 ||
      info.st_size != static_cast<off_t>(std::strlen(kUntouched)) || !attributes_of(kWitness).empty()) {
    broken("no file outside the directory is changed");
  }
}

int file_in_jail(const std::string& name, std::string_view content) {
  const int file = ::open(("/" + name).c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  must(file, "open");
  if (!content.empty()) must(static_cast<int>(::write(file, content.data(), content.size())), "write");
  must(static_cast<int>(::lseek(file, 0, SEEK_SET)), "lseek");
  return file;
}

std::string listing(const std::string& directory) {
  std::string all;
  std::map<ino_t, std::size_t> numbers;
  for (const auto& [name, info] : walk(directory)) {
    const std::string path = directory + name;
    const bool is_directory = S_ISDIR(info.st_mode), is_file = S_ISREG(info.st_mode);
    const std::size_t number = numbers.emplace(info.st_ino, numbers.size()).first->second;
    all += fmt::format("{} {:o} {}:{} {} {:x} #{}", name, info.st_mode, info.st_uid, info.st_gid,
                       is_directory ? 0 : info.st_size, info.st_rdev, number);
    if (is_file) all += " " + content_of(path, info.st_size);
    if (S_ISLNK(info.st_mode)) {
      std::error_code ec;
      all += " -> " + std::filesystem::read_symlink(path, ec).string();
    }
    for (const auto& [key, value] : attributes_of(path)) all += " " + key + "=" + base::to_hex(value);
    all += "\n";
  }
  return all;
}

Usage usage_of(const std::string& directory) {
  Usage usage;
  std::map<ino_t, bool> seen;
  for (const auto& [name, info] : walk(directory)) {
    ++usage.entries;
    const bool is_plain = S_ISREG(info.st_mode) || S_ISDIR(info.st_mode) || S_ISLNK(info.st_mode);
    usage.has_nodes = usage.has_nodes || !(is_plain || (S_ISCHR(info.st_mode) && info.st_rdev == 0));
    usage.has_set_id = usage.has_set_id || (info.st_mode & (S_ISUID | S_ISGID)) != 0;
    if (S_ISREG(info.st_mode) && seen.emplace(info.st_ino, true).second) {
      usage.bytes += static_cast<std::uint64_t>(info.st_size);
    }
  }
  return usage;
}

void for_each_attribute(const std::string& directory,
                        const std::function<void(const std::string& name, const std::string& value)>& visit) {
  for (const auto& found : walk(directory)) {
    for (const auto& [name, value] : attributes_of(directory + found.name)) visit(name, value);
  }
}

}  // namespace rivera::fuzz
