#include "garden/layers/layer_writer.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdexcept>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace rivera::garden {

namespace {

constexpr mode_t kModeBits = 07777;
constexpr const char* kOpaque = "trusted.overlay.opaque";
constexpr std::size_t kMostImpliedLinks = 100'000;

[[noreturn]] void fail(const std::string& name, const std::string& what, int error = errno) {
  throw std::runtime_error(name + ": " + what + ": " + std::strerror(error));
}

// "/a//b/./c/" becomes "a/b/c", the target itself "".
std::string clean(const std::string& name) {
  std::string cleaned;
  for (std::size_t at = 0; at < name.size();) {
    const std::size_t end = std::min(name.find('/', at), name.size());
    const std::string part = name.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") throw std::runtime_error(name + ": the name contains '..'");
    cleaned += (cleaned.empty() ? "" : "/") + part;
  }
  return cleaned;
}

// Within the directory `root`, as if it were "/".
base::UniqueFd open_within(int root, const std::string& name, std::uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const char* path = name.empty() ? "." : name.c_str();
  return base::UniqueFd(static_cast<int>(::syscall(SYS_openat2, root, path, &how, sizeof how)));
}

bool is_kept(const std::string& attribute) {
  // trusted.overlay.* would change how the layer is stacked, other security.* what the host's modules allow.
  return attribute.starts_with("user.") || attribute == "security.capability";
}

}  // namespace

LayerWriter::LayerWriter(const std::string& target, const std::string& base)
    : target_(::open(target.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  struct stat info {};
  if (!target_ || ::fstat(target_.get(), &info) != 0) fail(target, "open");
  owner_ = info.st_uid;
  group_ = info.st_gid;
  base_ = clean(base);
  implied_.directories.insert("");
}

std::string LayerWriter::full_name(const std::string& name) const {
  std::string cleaned = clean(name);
  if (base_.empty()) return cleaned;
  return cleaned.empty() ? base_ : base_ + "/" + cleaned;
}

base::UniqueFd LayerWriter::open_directory(const std::string& name) const {
  return open_within(target_.get(), name, O_RDONLY | O_DIRECTORY);
}

base::UniqueFd LayerWriter::open_parent(const std::string& name) {
  auto parent = open_directory(name);
  if (parent || errno != ENOENT) return parent;
  std::string so_far;
  for (std::size_t at = 0; at < name.size();) {
    const auto above = open_directory(so_far);
    if (!above) return base::UniqueFd();
    const std::size_t end = std::min(name.find('/', at), name.size());
    const std::string part = name.substr(at, end - at);
    so_far += (so_far.empty() ? "" : "/") + part;
    at = end + 1;
    if (::mkdirat(above.get(), part.c_str(), 0755) != 0) {
      if (errno == EEXIST) continue;
      return base::UniqueFd();
    }
    if (::fchownat(above.get(), part.c_str(), owner_, group_, AT_SYMLINK_NOFOLLOW) != 0) return base::UniqueFd();
    implied_.directories.insert(so_far);
  }
  return open_directory(name);
}

LayerWriter::Place LayerWriter::place_of(const std::string& name) {
  const auto slash = name.rfind('/');
  const std::string parent = slash == std::string::npos ? "" : name.substr(0, slash);
  if (!parent_ || parent != parent_name_) {
    parent_ = open_parent(parent);
    if (!parent_) fail(name, "open parent directory");
    parent_name_ = parent;
  }
  return {parent_.get(), slash == std::string::npos ? name : name.substr(slash + 1)};
}

// True if a whiteout was there.
bool LayerWriter::replace(const Place& place, const std::string& name) {
  if (place.base.empty()) fail(name, "replace", EISDIR);
  struct stat info {};
  if (::fstatat(place.parent, place.base.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return false;
    fail(name, "replace");
  }
  if (::unlinkat(place.parent, place.base.c_str(), S_ISDIR(info.st_mode) ? AT_REMOVEDIR : 0) != 0)
    fail(name, "replace");
  return S_ISCHR(info.st_mode);
}

void LayerWriter::make_directory(const std::string& raw_name, const Attributes& attributes) {
  const std::string name = full_name(raw_name);
  if (!name.empty()) {
    const Place place = place_of(name);
    bool was_hidden = false;
    if (::mkdirat(place.parent, place.base.c_str(), 0700) != 0) {
      if (errno != EEXIST) fail(name, "make directory");
      struct stat info {};
      if (::fstatat(place.parent, place.base.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) fail(name, "make directory");
      if (!S_ISDIR(info.st_mode)) {
        was_hidden = replace(place, name);
        if (::mkdirat(place.parent, place.base.c_str(), 0700) != 0) fail(name, "make directory");
      }
    }
    const base::UniqueFd made(
        ::openat(place.parent, place.base.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!made) fail(name, "open directory");
    set_attributes(name, made.get(), attributes);
    // A whiteout of the same name was about the layers below.
    if (was_hidden && ::fsetxattr(made.get(), kOpaque, "y", 1, 0) != 0) fail(name, "hide what is below");
  } else {
    set_attributes(raw_name, target_.get(), attributes);
    owner_ = attributes.uid, group_ = attributes.gid;
  }
  implied_.directories.erase(name);
  directories_.emplace_back(name, attributes.modified);
}

base::UniqueFd LayerWriter::create_file(const std::string& raw_name) {
  const std::string name = full_name(raw_name);
  const Place place = place_of(name);
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  base::UniqueFd file(::openat(place.parent, place.base.c_str(), kFlags, 0600));
  if (!file && errno == EEXIST) {
    replace(place, name);
    file.reset(::openat(place.parent, place.base.c_str(), kFlags, 0600));
  }
  if (!file) fail(name, "create file");
  return file;
}

void LayerWriter::finish_file(const std::string& name, const base::UniqueFd& file, const Attributes& attributes) {
  set_attributes(name, file.get(), attributes, true);
  const timespec times[2] = {{0, UTIME_NOW}, attributes.modified};
  if (::futimens(file.get(), times) != 0) fail(name, "set time");
}

// The mode after the owner, a change of which clears set-id bits, and the attributes last: it clears capabilities too.
void LayerWriter::set_attributes(const std::string& name, int fd, const Attributes& attributes, bool is_new) const {
  const bool is_ours = is_new && attributes.uid == ::geteuid() && attributes.gid == ::getegid();
  if (!is_ours && ::fchown(fd, attributes.uid, attributes.gid) != 0) fail(name, "set owner");
  if (::fchmod(fd, attributes.mode & kModeBits) != 0) fail(name, "set mode");
  for (const auto& [key, value] : attributes.extended) {
    if (!is_kept(key)) continue;
    if (::fsetxattr(fd, key.c_str(), value.data(), value.size(), 0) != 0 && errno != ENOTSUP)
      fail(name, "set attribute " + key);
  }
}

void LayerWriter::make_symbolic_link(const std::string& raw_name, const std::string& destination,
                                     const Attributes& attributes) {
  const std::string name = full_name(raw_name);
  const Place place = place_of(name);
  if (place.base.empty()) fail(name, "replace", EISDIR);
  if (::symlinkat(destination.c_str(), place.parent, place.base.c_str()) != 0) {
    if (errno != EEXIST) fail(name, "make symbolic link");
    replace(place, name);
    if (::symlinkat(destination.c_str(), place.parent, place.base.c_str()) != 0) fail(name, "make symbolic link");
  }
  if (::fchownat(place.parent, place.base.c_str(), attributes.uid, attributes.gid, AT_SYMLINK_NOFOLLOW) != 0)
    fail(name, "set owner");
  const timespec times[2] = {{0, UTIME_NOW}, attributes.modified};
  ::utimensat(place.parent, place.base.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

void LayerWriter::make_hard_link(const std::string& raw_name, const std::string& raw_existing) {
  const std::string name = full_name(raw_name), source = full_name(raw_existing);
  const auto slash = source.rfind('/');
  const auto parent = open_directory(slash == std::string::npos ? "" : source.substr(0, slash));
  const std::string base = slash == std::string::npos ? source : source.substr(slash + 1);
  struct stat there {
  }, here{};
  if (!parent || ::fstatat(parent.get(), base.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno != ENOENT || implied_.links.size() >= kMostImpliedLinks) fail(name, "hard link to " + raw_existing);
    implied_.links.push_back({name, source});
    return;
  }
  if (!S_ISREG(there.st_mode) && !S_ISLNK(there.st_mode)) fail(name, "hard link to " + raw_existing, EPERM);
  const Place place = place_of(name);
  const bool exists = ::fstatat(place.parent, place.base.c_str(), &here, AT_SYMLINK_NOFOLLOW) == 0;
  if (exists && here.st_ino == there.st_ino && here.st_dev == there.st_dev) return;
  replace(place, name);
  if (::linkat(parent.get(), base.c_str(), place.parent, place.base.c_str(), 0) != 0)
    fail(name, "hard link to " + raw_existing);
}

void LayerWriter::hide(const std::string& raw_name) {
  const std::string name = full_name(raw_name);
  const Place place = place_of(name);
  if (place.base.empty()) fail(raw_name, "hide", EINVAL);
  if (::mknodat(place.parent, place.base.c_str(), S_IFCHR, 0) == 0) return;
  if (errno != EEXIST) fail(name, "hide");
  const base::UniqueFd own(::openat(place.parent, place.base.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (own && ::fsetxattr(own.get(), kOpaque, "y", 1, 0) != 0) fail(name, "hide what is below");
}

void LayerWriter::make_opaque(const std::string& raw_name) {
  const std::string name = full_name(raw_name);
  if (name.empty()) {
    if (::fsetxattr(target_.get(), kOpaque, "y", 1, 0) != 0) fail(raw_name, "hide what is below");
    return;
  }
  // As the parent of something.
  const Place place = place_of(name + "/x");
  if (::fsetxattr(place.parent, kOpaque, "y", 1, 0) != 0) fail(name, "hide what is below");
}

void LayerWriter::finish() {
  for (const auto& [name, modified] : directories_) {
    const auto directory = open_within(target_.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!directory) continue;  // replaced by a later entry
    const timespec times[2] = {{0, UTIME_NOW}, modified};
    if (::futimens(directory.get(), times) != 0) fail(name, "set time");
  }
  directories_.clear();
}

}  // namespace rivera::garden
