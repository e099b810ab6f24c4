#include "garden/shim/tar_create.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <dirent.h>
#include <map>
#include <memory>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <utility>
#include <vector>

#include "base/units.h"
#include "garden/shim/enter.h"
#include "garden/shim/fd.h"
#include "garden/shim/tar_format.h"

namespace rivera::garden::shim {

namespace {

constexpr std::uint64_t kOctalSizeLimit = 1ull << 33;
constexpr unsigned kOctalIdLimit = 1u << 21;

template <std::size_t N>
void put_text(char (&field)[N], const std::string& text) {
  std::memcpy(field, text.data(), std::min(text.size(), N));
}
template <std::size_t N>
void put_octal(char (&field)[N], std::uint64_t value) {
  char text[32];
  std::snprintf(text, sizeof text, "%0*llo", static_cast<int>(N - 1), static_cast<unsigned long long>(value));
  std::memcpy(field, text, N - 1);
}

std::string pax_record(const std::string& key, const std::string& value) {
  const std::size_t rest = key.size() + value.size() + 3;  // space, equals, newline
  std::size_t length = rest + 1;
  while (std::to_string(length).size() + rest != length) length = std::to_string(length).size() + rest;
  return std::to_string(length) + " " + key + "=" + value + "\n";
}

class Creator {
 public:
  explicit Creator(int fd) : fd_(fd) {}

  void add(const std::string& path, const std::string& name) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) fail(path);
    if (S_ISSOCK(info.st_mode)) return;
    if (S_ISREG(info.st_mode)) return add_file(path, name, info);
    add_header(path, S_ISDIR(info.st_mode) && name.back() != '/' ? name + "/" : name, info, type_of(info), 0);
    if (S_ISDIR(info.st_mode)) add_content(path, name);
  }

  void finish() {
    out_.append(2 * kTarBlock, '\0');
    flush();
  }

 private:
  static char type_of(const struct stat& info) {
    switch (info.st_mode & S_IFMT) {
      case S_IFDIR:
        return kTarDirectory;
      case S_IFLNK:
        return kTarSymbolicLink;
      case S_IFCHR:
        return kTarCharacter;
      case S_IFBLK:
        return kTarBlockDevice;
      case S_IFIFO:
        return kTarFifo;
      default:
        return kTarRegular;
    }
  }

  void add_content(const std::string& path, const std::string& name) {
    std::vector<std::string> children;
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) fail(path);
    while (const dirent* child = ::readdir(directory)) {
      const std::string child_name = child->d_name;
      if (child_name != "." && child_name != "..") children.push_back(child_name);
    }
    ::closedir(directory);
    const std::string prefix = name.back() == '/' ? name : name + "/";
    for (const auto& child : children) add(path + "/" + child, prefix + child);
  }

  void add_file(const std::string& path, const std::string& name, const struct stat& info) {
    const auto key = std::make_pair(info.st_dev, info.st_ino);
    if (info.st_nlink > 1) {
      const auto [seen, is_new] = links_.emplace(key, name);
      if (!is_new) return add_header(path, name, info, kTarHardLink, 0, seen->second);
    }
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file) fail(path);
    auto left = static_cast<std::uint64_t>(info.st_size);
    add_header(path, name, info, kTarRegular, left);
    const std::uint64_t padding = (kTarBlock - left % kTarBlock) % kTarBlock;
    while (left > 0) {
      std::size_t n = read_full(file.get(), buffer_, std::min<std::uint64_t>(left, sizeof buffer_));
      if (n == 0) {  // it has shrunk since: the header has promised more
        n = static_cast<std::size_t>(std::min<std::uint64_t>(left, sizeof buffer_));
        std::memset(buffer_, 0, n);
      }
      put(std::string_view(buffer_, n));
      left -= n;
    }
    out_.append(padding, '\0');
  }

  void add_header(const std::string& path, const std::string& name, const struct stat& info, char type,
                  std::uint64_t size, std::string link_name = "") {
    if (type == kTarSymbolicLink) {
      char target[4096];
      const ssize_t n = ::readlink(path.c_str(), target, sizeof target);
      if (n < 0) fail(path);
      link_name.assign(target, static_cast<std::size_t>(n));
    }
    std::string pax;
    if (name.size() > sizeof(TarHeader::name)) pax += pax_record("path", name);
    if (link_name.size() > sizeof(TarHeader::link_name)) pax += pax_record("linkpath", link_name);
    if (size >= kOctalSizeLimit) pax += pax_record("size", std::to_string(size));
    if (info.st_uid >= kOctalIdLimit) pax += pax_record("uid", std::to_string(info.st_uid));
    if (info.st_gid >= kOctalIdLimit) pax += pax_record("gid", std::to_string(info.st_gid));
    if (type == kTarRegular || type == kTarDirectory) pax += attributes(path);
    if (!pax.empty()) {
      struct stat plain {};
      plain.st_mode = 0644;
      put_header("PaxHeader", plain, kTarPaxNext, pax.size(), "");
      put(pax);
      out_.append((kTarBlock - pax.size() % kTarBlock) % kTarBlock, '\0');
    }
    put_header(name, info, type, size, link_name);
  }

  static std::string attributes(const std::string& path) {
    char names[4096];
    const ssize_t size = ::llistxattr(path.c_str(), names, sizeof names);
    std::string records;
    for (const char* at = names; size > 0 && at < names + size; at += std::strlen(at) + 1) {
      char value[4096];
      const ssize_t n = ::lgetxattr(path.c_str(), at, value, sizeof value);
      if (n >= 0)
        records += pax_record(std::string("SCHILY.xattr.") + at, std::string(value, static_cast<std::size_t>(n)));
    }
    return records;
  }

  void put_header(const std::string& name, const struct stat& info, char type, std::uint64_t size,
                  const std::string& link_name) {
    TarHeader header{};
    put_text(header.name, name);
    put_octal(header.mode, info.st_mode & 07777);
    put_octal(header.uid, std::min(info.st_uid, kOctalIdLimit - 1));
    put_octal(header.gid, std::min(info.st_gid, kOctalIdLimit - 1));
    put_octal(header.size, std::min(size, kOctalSizeLimit - 1));
    put_octal(header.mtime,
              std::min(static_cast<std::uint64_t>(std::max<time_t>(info.st_mtime, 0)), kOctalSizeLimit - 1));
    header.type = type;
    put_text(header.link_name, link_name);
    std::memcpy(header.magic, "ustar", 6);
    std::memcpy(header.version, "00", 2);
    put_text(header.user_name, names_of(users_, "/etc/passwd", info.st_uid));
    put_text(header.group_name, names_of(groups_, "/etc/group", info.st_gid));
    if (type == kTarCharacter || type == kTarBlockDevice) {
      put_octal(header.device_major, major(info.st_rdev));
      put_octal(header.device_minor, minor(info.st_rdev));
    }
    std::memset(header.checksum, ' ', sizeof header.checksum);
    unsigned sum = 0;
    const auto* bytes = reinterpret_cast<const unsigned char*>(&header);
    for (std::size_t i = 0; i < kTarBlock; ++i) sum += bytes[i];
    std::snprintf(header.checksum, sizeof header.checksum, "%06o", sum);
    header.checksum[7] = ' ';
    put(std::string_view(reinterpret_cast<const char*>(&header), kTarBlock));
  }

  static std::string names_of(std::map<unsigned, std::string>& known, const char* file, unsigned id) {
    const auto found = known.find(id);
    if (found != known.end()) return found->second;
    return known[id] = name_of_id(file, id).substr(0, 31);
  }

  void put(std::string_view bytes) {
    out_.append(bytes);
    if (out_.size() >= sizeof buffer_) flush();
  }
  void flush() {
    write_all(fd_, out_);
    out_.clear();
  }

  int fd_;
  std::string out_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
  std::map<unsigned, std::string> users_, groups_;
  char buffer_[128 * base::kKibibyte];
};

}  // namespace

void create_tar(const std::string& source, int fd) {
  const auto creator = std::make_unique<Creator>(fd);
  if (source.back() == '/') {
    creator->add(source + ".", "./");
  } else {
    const auto slash = source.rfind('/');
    creator->add(source, slash == std::string::npos ? source : source.substr(slash + 1));
  }
  creator->finish();
}

}  // namespace rivera::garden::shim
