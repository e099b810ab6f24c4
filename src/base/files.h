// Small file operations, with errors that name the file.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace rivera::base {

// Throws std::system_error naming the path.
std::string read_file(const std::filesystem::path& path);
// Writes a temporary file beside `path` and renames it, so that a reader sees the old or the new content and never a
// part. `mode` is the file's permission bits. With `durable`, synchronised to disk first.
void write_file_atomically(const std::filesystem::path& path, std::string_view content, unsigned mode = 0644,
                           bool durable = false);

// A directory of our own below the system's temporary one, removed with its content at the end of life.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(std::string_view name_prefix = "rivera-");
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Owns a file descriptor.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd() { reset(); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release();
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

}  // namespace rivera::base
