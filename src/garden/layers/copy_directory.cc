// A layer from a directory: what unpack.h promises of copy_directory().
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <map>
#include <memory>
#include <stdexcept>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <vector>

#include "base/units.h"
#include "garden/layers/unpack.h"

namespace rivera::garden {

namespace {

constexpr unsigned kMostDepth = 1000;  // each level holds a descriptor

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

class DirectoryCopier {
 public:
  DirectoryCopier(const std::string& source, const std::string& target, const IdMapping& mapping)
      : writer_(target), mapping_(mapping) {
    base::UniqueFd top(::open(source.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat info {};
    if (!top || ::fstat(top.get(), &info) != 0) fail(source);
    device_ = info.st_dev;
    writer_.make_directory("", attributes_of(top.get(), info));
    copy_children(std::move(top), "", 0);
    writer_.finish();
  }

  Unpacked result() const { return {figures_, writer_.implied()}; }

 private:
  struct Child {
    std::string name;
    struct stat info {};
  };

  [[noreturn]] static void fail(const std::string& name) {
    throw std::runtime_error(name + ": " + std::strerror(errno));
  }

  void copy_children(base::UniqueFd directory, const std::string& name, unsigned depth) {
    if (depth > kMostDepth) throw std::runtime_error(name + ": the directory is too deep");
    const int fd = directory.release();
    const std::unique_ptr<DIR, CloseDirectory> list(::fdopendir(fd));
    if (!list) {
      ::close(fd);
      fail(name);
    }
    // Files first, so that the directory that the writer has open stays the same.
    std::vector<Child> directories;
    while (const dirent* entry = ::readdir(list.get())) {
      if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
      Child child{entry->d_name, {}};
      if (::fstatat(fd, entry->d_name, &child.info, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) continue;
        fail(name + "/" + child.name);
      }
      if (S_ISDIR(child.info.st_mode)) {
        directories.push_back(std::move(child));
      } else {
        copy_entry(fd, name.empty() ? child.name : name + "/" + child.name, child);
      }
    }
    for (const auto& child : directories)
      copy_directory_entry(fd, name.empty() ? child.name : name + "/" + child.name, child, depth);
  }

  void copy_directory_entry(int parent, const std::string& name, const Child& child, unsigned depth) {
    base::UniqueFd directory(::openat(parent, child.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory) fail(name);
    ++figures_.entries;
    writer_.make_directory(name, attributes_of(directory.get(), child.info));
    if (child.info.st_dev == device_) copy_children(std::move(directory), name, depth + 1);
  }

  void copy_entry(int parent, const std::string& name, const Child& child) {
    const struct stat& info = child.info;
    if (!S_ISREG(info.st_mode) && !S_ISLNK(info.st_mode)) return;  // device nodes, pipes and sockets
    ++figures_.entries;
    if (info.st_nlink > 1 && info.st_dev == device_) {
      const auto [first, is_first] = links_.emplace(info.st_ino, name);
      if (!is_first) return writer_.make_hard_link(name, first->second);
    }
    if (S_ISLNK(info.st_mode)) {
      std::string destination(static_cast<std::size_t>(info.st_size) + 1, '\0');
      const ssize_t size = ::readlinkat(parent, child.name.c_str(), destination.data(), destination.size());
      if (size < 0) fail(name);
      destination.resize(static_cast<std::size_t>(size));
      return writer_.make_symbolic_link(name, destination, attributes_of(-1, info));
    }
    const base::UniqueFd source(::openat(parent, child.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!source) fail(name);
    const auto target = writer_.create_file(name);
    copy_content(name, source.get(), target.get(), info);
    writer_.finish_file(name, target, attributes_of(source.get(), info));
  }

  LayerWriter::Attributes attributes_of(int fd, const struct stat& info) const {
    LayerWriter::Attributes attributes;
    attributes.uid = mapping_.host_uid(info.st_uid);
    attributes.gid = mapping_.host_gid(info.st_gid);
    attributes.mode = info.st_mode & 07777;
    attributes.modified = info.st_mtim;
    if (fd >= 0) read_extended(fd, attributes);
    return attributes;
  }

  static void read_extended(int fd, LayerWriter::Attributes& attributes) {
    char names[4096];
    const ssize_t size = ::flistxattr(fd, names, sizeof names);
    for (ssize_t at = 0; at < size;) {
      const std::string key = names + at;
      at += static_cast<ssize_t>(key.size()) + 1;
      std::string value(64 * base::kKibibyte, '\0');
      const ssize_t length = ::fgetxattr(fd, key.c_str(), value.data(), value.size());
      if (length < 0) continue;
      value.resize(static_cast<std::size_t>(length));
      attributes.extended[key] = std::move(value);
    }
  }

  void copy_content(const std::string& name, int from, int to, const struct stat& info) {
    figures_.bytes += static_cast<std::uint64_t>(info.st_size);
    if (info.st_size == 0) return;
    if (can_share_ && ::ioctl(to, FICLONE, from) == 0) return;
    can_share_ = false;
    const bool has_holes = info.st_blocks * 512 < info.st_size;
    off_t at = 0;
    while (at < info.st_size) {
      off_t end = info.st_size;
      if (has_holes) {
        at = ::lseek(from, at, SEEK_DATA);
        if (at < 0 && errno == ENXIO) break;  // holes only
        end = at < 0 ? -1 : ::lseek(from, at, SEEK_HOLE);
        if (at < 0 || end < 0) fail(name);
      }
      copy_range(name, from, to, at, end);
      at = end;
    }
    if (has_holes && ::ftruncate(to, info.st_size) != 0) fail(name);
  }

  void copy_range(const std::string& name, int from, int to, off_t at, off_t end) {
    while (at < end && can_copy_in_kernel_) {
      off_t read_at = at, write_at = at;
      const ssize_t n = ::copy_file_range(from, &read_at, to, &write_at, static_cast<std::size_t>(end - at), 0);
      if (n == 0) return;  // it was cut meanwhile
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS)) {
        can_copy_in_kernel_ = false;
        break;
      }
      if (n < 0) fail(name);
      at += n;
    }
    if (at < end && buffer_.empty()) buffer_.resize(256 * base::kKibibyte);
    while (at < end) {
      const auto wanted = std::min<std::size_t>(buffer_.size(), static_cast<std::size_t>(end - at));
      const ssize_t n = ::pread(from, buffer_.data(), wanted, at);
      if (n == 0) return;
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail(name);
      for (ssize_t written = 0; written < n;) {
        const ssize_t m = ::pwrite(to, buffer_.data() + written, static_cast<std::size_t>(n - written), at + written);
        if (m < 0 && errno != EINTR) fail(name);
        if (m > 0) written += m;
      }
      at += n;
    }
  }

  LayerWriter writer_;
  const IdMapping& mapping_;
  dev_t device_ = 0;
  LayerFigures figures_;
  std::map<ino_t, std::string> links_;
  bool can_share_ = true, can_copy_in_kernel_ = true;
  std::vector<char> buffer_;
};

}  // namespace

Unpacked copy_directory(const std::string& source, const std::string& target, const IdMapping& mapping) {
  return DirectoryCopier(source, target, mapping).result();
}

}  // namespace rivera::garden
