#include "base/untrusted/contained_directory.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <stdexcept>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace rivera::base {
namespace {

std::string text_of(const ContainedDirectory::Path& path) {
  std::string text;
  for (const auto& part : path) text += (text.empty() ? "" : "/") + part;
  return text.empty() ? "." : text;
}

[[noreturn]] void fail_at(const char* doing, const ContainedDirectory::Path& path) {
  const int reason = errno;
  throw std::system_error(reason, std::generic_category(), std::string(doing) + " \"" + text_of(path) + '"');
}

[[noreturn]] void refuse(const ContainedDirectory::Path& path, const char* why) {
  throw std::runtime_error('"' + text_of(path) + "\": " + why);
}

const std::string& leaf_of(const ContainedDirectory::Path& path) {
  if (path.empty()) refuse(path, "not the name of an entry");
  return path.back();
}

// Descriptors of O_PATH need no permission to read, and O_DIRECTORY refuses a link that O_NOFOLLOW would open.
UniqueFd open_directory_at(int parent, const std::string& name, int access = O_PATH) {
  return UniqueFd(::openat(parent, name.c_str(), access | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// Makes room for a new entry.
void remove_existing(int parent, const ContainedDirectory::Path& path) {
  const auto& name = leaf_of(path);
  if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return;
  if (errno == EISDIR && ::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0) return;
  fail_at("cannot replace", path);
}

}  // namespace

ContainedDirectory::ContainedDirectory(const std::filesystem::path& root)
    : root_(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  if (!root_) throw std::system_error(errno, std::generic_category(), "cannot open \"" + root.string() + '"');
}

ContainedDirectory::Path ContainedDirectory::parse(std::string_view name) {
  if (name.size() > kMaxLength) throw std::runtime_error("a path is too long");
  if (name.find('\0') != std::string_view::npos) throw std::runtime_error("a path has a NUL character");
  Path path;
  while (!name.empty()) {
    const auto part = name.substr(0, name.find('/'));
    name.remove_prefix(std::min(part.size() + 1, name.size()));
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      path.emplace_back(part);
    } else if (!path.empty()) {
      path.pop_back();
    }
  }
  if (path.size() > kMaxDepth) throw std::runtime_error("a path has too many directories");
  return path;
}

UniqueFd ContainedDirectory::parent_of(const Path& path, bool create) const {
  leaf_of(path);
  UniqueFd directory = open_directory_at(root_.get(), ".");
  for (std::size_t i = 0; i + 1 < path.size() && directory; ++i) {
    auto next = open_directory_at(directory.get(), path[i]);
    if (!next && errno == ENOENT && create) {
      if (::mkdirat(directory.get(), path[i].c_str(), 0755) != 0 && errno != EEXIST) break;
      next = open_directory_at(directory.get(), path[i]);
    }
    if (!next && (errno == ENOTDIR || errno == ELOOP)) refuse(path, "leads through a link or a file");
    directory = std::move(next);
  }
  if (!directory) fail_at("cannot open the directory of", path);
  return directory;
}

bool ContainedDirectory::make_directory(const Path& path, mode_t mode) {
  if (path.empty()) return false;
  const auto parent = parent_of(path, true);
  if (open_directory_at(parent.get(), path.back())) return false;
  if (errno != ENOENT) remove_existing(parent.get(), path);
  if (::mkdirat(parent.get(), path.back().c_str(), mode) != 0) fail_at("cannot create the directory", path);
  return true;
}

UniqueFd ContainedDirectory::create_file(const Path& path, mode_t mode) {
  const auto parent = parent_of(path, true);
  remove_existing(parent.get(), path);
  UniqueFd file(
      ::openat(parent.get(), path.back().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!file) fail_at("cannot create", path);
  return file;
}

void ContainedDirectory::make_symlink(const Path& path, const std::string& target) {
  const auto parent = parent_of(path, true);
  remove_existing(parent.get(), path);
  if (::symlinkat(target.c_str(), parent.get(), path.back().c_str()) != 0) fail_at("cannot create the link", path);
}

void ContainedDirectory::make_hard_link(const Path& path, const Path& existing) {
  const auto from = parent_of(existing, false);
  struct stat status {};
  if (::fstatat(from.get(), existing.back().c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    fail_at("cannot link to", existing);
  }
  if (!S_ISREG(status.st_mode)) refuse(existing, "not a regular file, a hard link to it is refused");
  if (path == existing) return;
  const auto parent = parent_of(path, true);
  remove_existing(parent.get(), path);
  // Without AT_SYMLINK_FOLLOW the entry itself is linked, whatever it is by now.
  if (::linkat(from.get(), existing.back().c_str(), parent.get(), path.back().c_str(), 0) != 0) {
    fail_at("cannot create the hard link", path);
  }
}

void ContainedDirectory::restrict_directory(const Path& path, mode_t mode) {
  if (path.empty()) return;
  const auto parent = parent_of(path, false);
  const auto directory = open_directory_at(parent.get(), path.back(), O_RDONLY);
  if (!directory) return;
  struct stat status {};
  if (::fstat(directory.get(), &status) != 0 || ::fchmod(directory.get(), status.st_mode & mode & 07777) != 0) {
    fail_at("cannot set the mode of", path);
  }
}

}  // namespace rivera::base
