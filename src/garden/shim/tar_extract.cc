#include "garden/shim/tar_extract.h"

#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <utility>
#include <vector>

#include "base/units.h"
#include "garden/shim/fd.h"
#include "garden/shim/tar_format.h"

namespace rivera::garden::shim {

namespace {

constexpr std::uint64_t kExtendedHeaderLimit = 1u << 20;
constexpr mode_t kModeMask = 0777;
// Of any size in a header: larger ones are errors, and would overflow where they are rounded up to blocks.
constexpr std::uint64_t kMostSize = std::numeric_limits<std::int64_t>::max() - kTarBlock;

struct Entry {
  std::string name;
  std::string link_name;
  char type = kTarRegular;
  mode_t mode = 0644;
  std::uint64_t size = 0;  // of what the archive holds
  timespec modified{};
  unsigned device_major = 0, device_minor = 0;
  std::map<std::string, std::string> attributes;
  std::optional<std::uint64_t> sparse_size;                         // the file's real size
  std::vector<std::pair<std::uint64_t, std::uint64_t>> sparse_map;  // offset, length
  bool has_sparse_map_in_data = false;                              // PAX 1.0
};

template <std::size_t N>
std::string field_text(const char (&field)[N]) {
  return std::string(field, ::strnlen(field, N));
}

// Octal, or GNU's base 256 where the first bit is set.
std::uint64_t field_number(const char* field, std::size_t size) {
  std::uint64_t value = 0;
  if ((static_cast<unsigned char>(field[0]) & 0x80) != 0) {
    value = static_cast<unsigned char>(field[0]) & 0x7f;
    for (std::size_t i = 1; i < size; ++i) value = (value << 8) | static_cast<unsigned char>(field[i]);
    return value;
  }
  for (std::size_t i = 0; i < size; ++i) {
    if (field[i] >= '0' && field[i] <= '7')
      value = value * 8 + static_cast<std::uint64_t>(field[i] - '0');
    else if (field[i] != ' ' || value != 0)
      break;
  }
  return value;
}

bool has_right_checksum(const TarHeader& header) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(&header);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kTarBlock; ++i) {
    const bool in_checksum =
        i >= offsetof(TarHeader, checksum) && i < offsetof(TarHeader, checksum) + sizeof header.checksum;
    sum += in_checksum ? static_cast<unsigned>(' ') : bytes[i];
  }
  return sum == field_number(header.checksum, sizeof header.checksum);
}

timespec parse_pax_time(const std::string& text) {
  timespec time{};
  time.tv_sec = std::strtoll(text.c_str(), nullptr, 10);
  const auto dot = text.find('.');
  if (dot == std::string::npos) return time;
  std::string digits = text.substr(dot + 1, 9);
  digits.resize(9, '0');
  time.tv_nsec = std::strtol(digits.c_str(), nullptr, 10);
  return time;
}

class Extractor {
 public:
  explicit Extractor(int fd) : fd_(fd) {}

  void run() {
    ::umask(0022);
    while (next()) extract();
    // Directories last: until then they must be writable, and each new file would touch their times.
    for (auto it = directories_.rbegin(); it != directories_.rend(); ++it) {
      // A later entry may have put a link in the place of the directory.
      const Fd directory(::open(it->name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!directory) continue;
      ::fchmod(directory.get(), it->mode & kModeMask & ~0022u);
      const timespec times[2] = {{0, UTIME_NOW}, it->modified};
      ::futimens(directory.get(), times);
    }
    drain();
  }

 private:
  [[noreturn]] void bad(const std::string& what) const {
    throw std::runtime_error(entry_.name.empty() ? what : entry_.name + ": " + what);
  }
  [[noreturn]] void bad_errno(const std::string& what) const { bad(what + ": " + std::strerror(errno)); }

  void read_block(char* block) {
    if (read_full(fd_, block, kTarBlock) != kTarBlock) bad("unexpected end of archive");
  }

  // --- headers ---

  // Reads headers up to and with the next entry's own. False at the end of the archive.
  bool next() {
    entry_ = Entry();
    std::map<std::string, std::string> pax = global_pax_;
    std::string long_name, long_link;
    while (true) {
      TarHeader header{};
      const std::size_t n = read_full(fd_, reinterpret_cast<char*>(&header), kTarBlock);
      if (n == 0) return false;
      if (n != kTarBlock) bad("unexpected end of archive");
      const auto* bytes = reinterpret_cast<const char*>(&header);
      if (std::all_of(bytes, bytes + kTarBlock, [](char c) { return c == '\0'; })) return false;
      if (!has_right_checksum(header)) bad("this does not look like a tar archive");
      const std::uint64_t size = field_number(header.size, sizeof header.size);
      if (size > kMostSize) bad("malformed size");
      switch (header.type) {
        case kTarPaxNext:
          parse_pax(read_extended(size), pax);
          continue;
        case kTarPaxGlobal:
          parse_pax(read_extended(size), global_pax_);
          pax = global_pax_;
          continue;
        case kTarGnuLongName:
          long_name = read_extended(size).c_str();
          continue;
        case kTarGnuLongLink:
          long_link = read_extended(size).c_str();
          continue;
        default:
          break;
      }
      take_header(header, size);
      if (!long_name.empty()) entry_.name = long_name;
      if (!long_link.empty()) entry_.link_name = long_link;
      take_pax(pax);
      if (header.type == kTarGnuSparse) take_gnu_sparse(header);
      return true;
    }
  }

  std::string read_extended(std::uint64_t size) {
    if (size > kExtendedHeaderLimit) bad("extended header too long");
    std::string text((size + kTarBlock - 1) / kTarBlock * kTarBlock, '\0');
    if (read_full(fd_, text.data(), text.size()) != text.size()) bad("unexpected end of archive");
    text.resize(size);
    return text;
  }

  // Records of the form "LENGTH KEY=VALUE\n".
  void parse_pax(const std::string& text, std::map<std::string, std::string>& into) {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t length = std::strtoul(text.c_str() + at, nullptr, 10);
      const std::size_t space = text.find(' ', at);
      if (length == 0 || length > text.size() - at || space == std::string::npos) bad("malformed extended header");
      const std::size_t equals = text.find('=', space);
      if (equals == std::string::npos || equals + 1 >= at + length) bad("malformed extended header");
      into[text.substr(space + 1, equals - space - 1)] = text.substr(equals + 1, at + length - equals - 2);
      at += length;
    }
  }

  void take_header(const TarHeader& header, std::uint64_t size) {
    entry_.name = field_text(header.name);
    const bool is_ustar = std::memcmp(header.magic, "ustar\0", 6) == 0;
    if (is_ustar && header.prefix[0] != '\0') entry_.name = field_text(header.prefix) + "/" + entry_.name;
    entry_.link_name = field_text(header.link_name);
    entry_.type = header.type;
    entry_.mode = static_cast<mode_t>(field_number(header.mode, sizeof header.mode));
    entry_.size = size;
    entry_.modified.tv_sec = static_cast<time_t>(field_number(header.mtime, sizeof header.mtime));
    entry_.device_major = static_cast<unsigned>(field_number(header.device_major, sizeof header.device_major));
    entry_.device_minor = static_cast<unsigned>(field_number(header.device_minor, sizeof header.device_minor));
  }

  void take_pax(const std::map<std::string, std::string>& pax) {
    static const std::string kAttribute = "SCHILY.xattr.";
    for (const auto& [key, value] : pax) {
      if (key == "path") entry_.name = value;
      if (key == "linkpath") entry_.link_name = value;
      if (key == "size") entry_.size = std::strtoull(value.c_str(), nullptr, 10);
      if (key == "mtime") entry_.modified = parse_pax_time(value);
      if (key == "GNU.sparse.name") entry_.name = value;
      if (key == "GNU.sparse.realsize") entry_.sparse_size = std::strtoull(value.c_str(), nullptr, 10);
      if (key == "GNU.sparse.major") entry_.has_sparse_map_in_data = value == "1";
      if (key.compare(0, kAttribute.size(), kAttribute) == 0) entry_.attributes[key.substr(kAttribute.size())] = value;
    }
    if (pax.count("GNU.sparse.name") != 0) entry_.name = pax.at("GNU.sparse.name");
    if (entry_.size > kMostSize) bad("malformed size");
  }

  // The map begins in the header's tail and continues in blocks of 21 pairs.
  void take_gnu_sparse(const TarHeader& header) {
    const auto* bytes = reinterpret_cast<const char*>(&header);
    const auto take_pairs = [this](const char* at, int count) {
      for (int i = 0; i < count; ++i, at += 24) {
        if (at[0] == '\0') return;
        entry_.sparse_map.emplace_back(field_number(at, 12), field_number(at + 12, 12));
      }
    };
    take_pairs(bytes + 386, 4);
    entry_.sparse_size = field_number(bytes + 483, 12);
    char block[kTarBlock];
    for (bool more = bytes[482] != 0; more; more = block[504] != 0) {
      read_block(block);
      take_pairs(block, 21);
    }
    entry_.type = kTarRegular;
  }

  // --- files ---

  void extract() {
    entry_.name = safe_name(entry_.name);
    const std::uint64_t data_size = entry_.size;
    std::string& name = entry_.name;
    const bool is_directory = entry_.type == kTarDirectory || (!name.empty() && name.back() == '/');
    while (name.size() > 1 && name.back() == '/') name.pop_back();
    if (name.empty() || name == ".") {
      if (is_directory) directories_.push_back(entry_), directories_.back().name = ".";
      return skip(data_size);
    }
    make_parents(name);
    if (is_directory) {
      make_directory();
      return skip(data_size);
    }
    replace_existing();
    switch (entry_.type) {
      case kTarRegular:
      case kTarRegularOld:
      case kTarContiguous:
        return write_file(data_size);
      case kTarHardLink:
        make_hard_link();
        break;
      case kTarSymbolicLink:
        if (::symlink(entry_.link_name.c_str(), name.c_str()) != 0) bad_errno("cannot create symlink");
        set_times(entry_);
        break;
      case kTarFifo:
        make_node(S_IFIFO, 0);
        break;
      case kTarCharacter:
        make_node(S_IFCHR, makedev(entry_.device_major, entry_.device_minor));
        break;
      case kTarBlockDevice:
        make_node(S_IFBLK, makedev(entry_.device_major, entry_.device_minor));
        break;
      default:
        break;  // a kind of entry we do not know has data to skip at most
    }
    skip(data_size);
  }

  std::string safe_name(std::string name) const {
    if (name.size() >= PATH_MAX) throw std::runtime_error("member name too long");
    name.erase(0, std::min(name.find_first_not_of('/'), name.size()));
    for (std::size_t at = 0; at <= name.size();) {
      const std::size_t end = std::min(name.find('/', at), name.size());
      if (name.compare(at, end - at, "..") == 0) bad("member name contains '..'");
      at = end + 1;
    }
    return name;
  }

  void make_parents(const std::string& name) {
    const auto slash = name.rfind('/');
    if (slash == std::string::npos) return;
    const std::string parent = name.substr(0, slash);
    if (parent == last_parent_) return;
    for (std::size_t at = 0; at != std::string::npos;) {
      at = parent.find('/', at + 1);
      ::mkdir(parent.substr(0, at).c_str(), 0755);
    }
    last_parent_ = parent;
  }

  void make_directory() {
    struct stat info {};
    if (::lstat(entry_.name.c_str(), &info) == 0 && !S_ISDIR(info.st_mode)) ::unlink(entry_.name.c_str());
    if (::mkdir(entry_.name.c_str(), (entry_.mode & kModeMask) | 0700) != 0 && errno != EEXIST) {
      bad_errno("cannot mkdir");
    }
    set_attributes();
    directories_.push_back(entry_);
  }

  void replace_existing() {
    if (::unlink(entry_.name.c_str()) == 0 || errno == ENOENT) return;
    if (errno == EISDIR && ::rmdir(entry_.name.c_str()) == 0) return;
    bad_errno("cannot replace");
  }

  void make_hard_link() {
    const std::string target = safe_name(entry_.link_name);
    if (::link(target.c_str(), entry_.name.c_str()) != 0) bad_errno("cannot hard link to '" + target + "'");
  }

  void make_node(mode_t type, dev_t device) {
    if (::mknod(entry_.name.c_str(), type | (entry_.mode & kModeMask), device) != 0) bad_errno("cannot mknod");
    set_times(entry_);
  }

  void write_file(std::uint64_t data_size) {
    const Fd file(::open(entry_.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                         static_cast<mode_t>(entry_.mode & kModeMask)));
    if (!file) bad_errno("cannot open");
    std::uint64_t left = data_size;
    if (entry_.has_sparse_map_in_data) {
      const std::uint64_t map_size = read_sparse_map();
      if (map_size > left) bad("malformed sparse map");
      left -= map_size;
    }
    if (entry_.sparse_size) {
      for (const auto& [offset, length] : entry_.sparse_map) {
        if (length > left || ::lseek(file.get(), static_cast<off_t>(offset), SEEK_SET) < 0) bad("malformed sparse map");
        copy(file.get(), length);
        left -= length;
      }
      if (::ftruncate(file.get(), static_cast<off_t>(*entry_.sparse_size)) != 0) bad_errno("cannot set size");
      discard(left);
    } else {
      copy(file.get(), left);
    }
    discard((kTarBlock - data_size % kTarBlock) % kTarBlock);
    set_attributes();
    const timespec times[2] = {{0, UTIME_NOW}, entry_.modified};
    ::futimens(file.get(), times);
  }

  // Decimal numbers a line each: a count, then offset and length pairs; padded to a block. Returns its size.
  std::uint64_t read_sparse_map() {
    std::string text;
    std::uint64_t used = 0;
    std::size_t at = 0;
    const auto number = [&]() -> std::uint64_t {
      while (text.find('\n', at) == std::string::npos) {
        if (text.size() > kExtendedHeaderLimit) bad("malformed sparse map");
        char block[kTarBlock];
        read_block(block);
        text.append(block, kTarBlock);
        used += kTarBlock;
      }
      const std::uint64_t value = std::strtoull(text.c_str() + at, nullptr, 10);
      at = text.find('\n', at) + 1;
      return value;
    };
    for (std::uint64_t left = number(); left > 0; --left) {
      const std::uint64_t offset = number();
      entry_.sparse_map.emplace_back(offset, number());
    }
    return used;
  }

  void copy(int file, std::uint64_t size) {
    while (size > 0) {
      const std::size_t n = read_full(fd_, buffer_, std::min<std::uint64_t>(size, sizeof buffer_));
      if (n == 0) bad("unexpected end of archive");
      try {
        write_all(file, std::string_view(buffer_, n));
      } catch (const std::runtime_error& e) {
        bad(e.what());
      }
      size -= n;
    }
  }

  void discard(std::uint64_t size) {
    while (size > 0) {
      const std::size_t n = read_full(fd_, buffer_, std::min<std::uint64_t>(size, sizeof buffer_));
      if (n == 0) bad("unexpected end of archive");
      size -= n;
    }
  }
  void skip(std::uint64_t data_size) { discard((data_size + kTarBlock - 1) / kTarBlock * kTarBlock); }
  // The writer must not see a broken pipe because of padding after the end.
  void drain() {
    while (read_full(fd_, buffer_, sizeof buffer_) > 0) {
    }
  }

  void set_attributes() {
    for (const auto& [name, value] : entry_.attributes) {
      ::lsetxattr(entry_.name.c_str(), name.c_str(), value.data(), value.size(), 0);  // as far as this user may
    }
  }
  void set_times(const Entry& entry) {
    const timespec times[2] = {{0, UTIME_NOW}, entry.modified};
    ::utimensat(AT_FDCWD, entry.name.c_str(), times, AT_SYMLINK_NOFOLLOW);
  }

  int fd_;
  Entry entry_;
  std::map<std::string, std::string> global_pax_;
  std::vector<Entry> directories_;
  std::string last_parent_;
  char buffer_[128 * base::kKibibyte];
};

}  // namespace

void extract_tar(int fd) {
  const auto extractor = std::make_unique<Extractor>(fd);
  extractor->run();
}

}  // namespace rivera::garden::shim
