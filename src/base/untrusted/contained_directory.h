// Creating files below a directory by names that come from an untrusted source, such as an archive.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "base/files.h"

namespace rivera::base {

// No operation reads, writes or creates anything outside the directory, whatever the names are and whatever links
// earlier operations created: paths are resolved one component at a time from an open descriptor, and a symbolic link
// is never followed. An operation whose path leads through a link or a file fails.
//
// An existing entry is replaced and never written through. A non-empty directory is replaced by nothing.
//
// Every function blocks and throws std::system_error or std::runtime_error that name the path.
class ContainedDirectory {
 public:
  // The components of a path below the directory; none for the directory itself.
  using Path = std::vector<std::string>;

  // In components and in bytes.
  static constexpr std::size_t kMaxDepth = 256;
  static constexpr std::size_t kMaxLength = 4096;

  // `root` must exist; links in its own path are followed.
  explicit ContainedDirectory(const std::filesystem::path& root);

  // The path that `name` means if the directory is "/": a leading slash and "." mean nothing, ".." at the top stays
  // there. Throws std::runtime_error if it is too deep or too long, or has a NUL in it.
  static Path parse(std::string_view name);

  // Missing parents are created with mode 0755; all modes are less the umask.

  // Leaves an existing directory, its mode included, as it is. False if it existed.
  bool make_directory(const Path& path, mode_t mode);
  // Returns the new, empty file, open for writing.
  UniqueFd create_file(const Path& path, mode_t mode);
  // `target` is stored as it is.
  void make_symlink(const Path& path, const std::string& target);
  // Another name of the regular file `existing`. Any other kind of entry is refused.
  void make_hard_link(const Path& path, const Path& existing);
  // Removes permissions that `mode` lacks from a directory. Nothing if `path` is no directory any more.
  void restrict_directory(const Path& path, mode_t mode);

 private:
  UniqueFd parent_of(const Path& path, bool create) const;

  UniqueFd root_;
};

}  // namespace rivera::base
