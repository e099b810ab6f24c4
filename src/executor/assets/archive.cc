#include "executor/assets/archive.h"

#include <algorithm>
#include <archive.h>
#include <archive_entry.h>
#include <array>
#include <cerrno>
#include <clocale>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "base/files.h"
#include "base/untrusted/contained_directory.h"

namespace rivera::executor {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = 64u << 10;

struct ReaderCloser {
  void operator()(archive* a) const { archive_read_free(a); }
};
using Reader = std::unique_ptr<archive, ReaderCloser>;

void check(archive* a, int status, const char* doing) {
  if (status >= ARCHIVE_WARN) return;
  const char* why = archive_error_string(a);
  throw std::runtime_error(std::string(doing) + ": " + (why ? why : "unknown error"));
}

// Keeps count of what an archive holds.
class Budget {
 public:
  explicit Budget(const ArchiveLimits& limits) : limits_(limits) {}

  void take_entry() {
    if (++entries_ > limits_.entries) throw std::runtime_error("the archive has too many entries");
  }
  void take_bytes(std::uint64_t bytes) {
    if (bytes > limits_.bytes - bytes_) throw std::runtime_error("the archive is too large");
    bytes_ += bytes;
  }

 private:
  ArchiveLimits limits_;
  std::uint64_t entries_ = 0;
  std::uint64_t bytes_ = 0;
};

// libarchive converts names to the thread's character set, and loses those that are not ASCII in the "C" locale. Where
// the locale cannot be loaded (in a confined process) that of the process counts.
class Utf8Names {
 public:
  Utf8Names() : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (locale_) previous_ = ::uselocale(locale_);
  }
  ~Utf8Names() {
    if (!locale_) return;
    ::uselocale(previous_);
    ::freelocale(locale_);
  }
  Utf8Names(const Utf8Names&) = delete;
  Utf8Names& operator=(const Utf8Names&) = delete;

 private:
  locale_t locale_;
  locale_t previous_ = nullptr;
};

void write_all(int file, const char* data, std::size_t count) {
  while (count > 0) {
    const auto written = ::write(file, data, count);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw std::system_error(errno, std::generic_category(), "cannot write archive");
    data += written;
    count -= static_cast<std::size_t>(written);
  }
}

// Copies the data of the current entry. Holes are written as zeros.
void copy_data(archive* from, archive* to) {
  std::array<char, kBlock> buffer{};
  for (;;) {
    const auto count = archive_read_data(from, buffer.data(), buffer.size());
    if (count < 0) check(from, static_cast<int>(count), "cannot read archive");
    if (count == 0) return;
    if (archive_write_data(to, buffer.data(), static_cast<std::size_t>(count)) < 0) {
      check(to, ARCHIVE_FATAL, "cannot write archive");
    }
  }
}

// Writes a tar file. What is not closed when this ends is cut short: libarchive would pad an unfinished entry to its
// full size.
class TarWriter {
 public:
  explicit TarWriter(int file) : file_(file), archive_(archive_write_new(), archive_write_free) {
    archive_write_set_format_pax_restricted(archive_.get());
    archive_write_set_bytes_in_last_block(archive_.get(), 1);
    check(archive_.get(), archive_write_open(archive_.get(), this, nullptr, write, nullptr), "cannot write archive");
  }
  ~TarWriter() { abandoned_ = true; }
  TarWriter(const TarWriter&) = delete;
  TarWriter& operator=(const TarWriter&) = delete;

  // Writes the header and, from `source`, the data of an entry.
  void add(archive_entry* entry, archive* source) {
    check(archive_.get(), archive_write_header(archive_.get(), entry), "cannot write archive");
    if (archive_entry_size(entry) > 0) copy_data(source, archive_.get());
  }
  void close() { check(archive_.get(), archive_write_close(archive_.get()), "cannot write archive"); }

 private:
  static la_ssize_t write(archive* a, void* self, const void* data, std::size_t size) {
    auto& writer = *static_cast<TarWriter*>(self);
    try {
      if (writer.abandoned_) throw std::runtime_error("the archive is incomplete");
      write_all(writer.file_, static_cast<const char*>(data), size);
      return static_cast<la_ssize_t>(size);
    } catch (const std::exception& e) {  // must not pass through libarchive
      archive_set_error(a, EIO, "%s", e.what());
      return -1;
    }
  }

  int file_;
  bool abandoned_ = false;
  std::unique_ptr<archive, decltype(&archive_write_free)> archive_;  // freed before the others, which it uses
};

void gunzip(int from, int to, Budget& budget) {
  Reader reader(archive_read_new());
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_format_raw(reader.get());
  check(reader.get(), archive_read_open_fd(reader.get(), from, kBlock), "cannot read archive");
  archive_entry* entry = nullptr;
  check(reader.get(), archive_read_next_header(reader.get(), &entry), "cannot read archive");
  std::array<char, kBlock> buffer{};
  for (;;) {
    const auto count = archive_read_data(reader.get(), buffer.data(), buffer.size());
    if (count < 0) check(reader.get(), static_cast<int>(count), "cannot read archive");
    if (count == 0) return;
    budget.take_bytes(static_cast<std::uint64_t>(count));
    write_all(to, buffer.data(), static_cast<std::size_t>(count));
  }
}

// The announced size counts, for the tar is padded to it whatever data there is.
void zip_to_tar(int from, int to, Budget& budget) {
  const Utf8Names names;
  Reader reader(archive_read_new());
  archive_read_support_format_zip(reader.get());
  check(reader.get(), archive_read_open_fd(reader.get(), from, kBlock), "cannot read archive");
  TarWriter writer(to);
  archive_entry* entry = nullptr;
  for (;;) {
    const int status = archive_read_next_header(reader.get(), &entry);
    if (status == ARCHIVE_EOF) break;
    check(reader.get(), status, "cannot read archive");
    budget.take_entry();
    // A streamed zip may not give the size of a file, which the header of a tar needs.
    if (archive_entry_filetype(entry) == AE_IFREG && !archive_entry_size_is_set(entry)) {
      throw std::runtime_error("cannot read archive: a file of unknown size");
    }
    budget.take_bytes(static_cast<std::uint64_t>(std::max<la_int64_t>(archive_entry_size(entry), 0)));
    writer.add(entry, reader.get());
  }
  writer.close();
}

Reader open_tar_reader(int tar) {
  Reader reader(archive_read_new());
  archive_read_support_format_tar(reader.get());
  archive_read_support_format_empty(reader.get());
  check(reader.get(), archive_read_open_fd(reader.get(), tar, kBlock), "cannot read archive");
  return reader;
}

// Creates the entries of an archive below a directory.
class Extraction {
 public:
  Extraction(Reader reader, const fs::path& directory, const ArchiveLimits& limits)
      : reader_(std::move(reader)), target_(directory), budget_(limits) {}

  void run() {
    archive_entry* entry = nullptr;
    for (;;) {
      const int status = archive_read_next_header(reader_.get(), &entry);
      if (status == ARCHIVE_EOF) break;
      check(reader_.get(), status, "cannot read archive");
      budget_.take_entry();
      extract(entry);
    }
    for (const auto& [path, mode] : restricted_) target_.restrict_directory(path, mode);
  }

 private:
  using Path = base::ContainedDirectory::Path;

  void extract(archive_entry* entry) {
    const auto path = parse(archive_entry_pathname(entry));
    const auto permissions = static_cast<mode_t>(archive_entry_perm(entry));
    if (const char* existing = archive_entry_hardlink(entry)) {
      // Some formats repeat the content with each link; the linked file has it already.
      target_.make_hard_link(path, parse(existing));
      return;
    }
    switch (archive_entry_filetype(entry)) {
      case AE_IFDIR:
        extract_directory(path, permissions & 01777);
        break;
      case AE_IFLNK:
        extract_symlink(path, archive_entry_symlink(entry));
        break;
      case AE_IFREG:
        extract_file(path, permissions & 0777, archive_entry_size(entry));
        break;
      default:
        break;  // a device, a pipe, a socket
    }
  }

  static Path parse(const char* name) {
    if (!name) throw std::runtime_error("cannot unpack archive: an entry without a name");
    return base::ContainedDirectory::parse(name);
  }

  // What belongs into the directory still has to be written, so that the owner's permissions are taken away last.
  void extract_directory(const Path& path, mode_t mode) {
    constexpr mode_t kOwner = 0700;
    const bool is_new = target_.make_directory(path, mode | kOwner);
    if (is_new && (mode & kOwner) != kOwner) restricted_.insert_or_assign(path, mode);
  }

  void extract_symlink(const Path& path, const char* target) {
    if (!target) throw std::runtime_error("cannot unpack archive: a link without a target");
    target_.make_symlink(path, target);
  }

  // Holes stay holes.
  void extract_file(const Path& path, mode_t mode, la_int64_t size) {
    budget_.take_bytes(static_cast<std::uint64_t>(std::max<la_int64_t>(size, 0)));
    const auto file = target_.create_file(path, mode);
    const void* data = nullptr;
    std::size_t count = 0;
    la_int64_t offset = 0;
    for (;;) {
      const int status = archive_read_data_block(reader_.get(), &data, &count, &offset);
      if (status == ARCHIVE_EOF) break;
      check(reader_.get(), status, "cannot read archive");
      if (offset < 0 || offset > size || static_cast<la_int64_t>(count) > size - offset) {
        throw std::runtime_error("cannot read archive: data beyond the end of a file");
      }
      write_at(file.get(), static_cast<const char*>(data), count, offset);
    }
    if (size > 0 && ::ftruncate(file.get(), size) != 0) fail_to_write();
  }

  static void write_at(int file, const char* data, std::size_t count, la_int64_t offset) {
    while (count > 0) {
      const auto written = ::pwrite(file, data, count, offset);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail_to_write();
      data += written;
      count -= static_cast<std::size_t>(written);
      offset += written;
    }
  }

  [[noreturn]] static void fail_to_write() {
    throw std::system_error(errno, std::generic_category(), "cannot write an unpacked file");
  }

  Reader reader_;
  base::ContainedDirectory target_;
  Budget budget_;
  std::map<Path, mode_t, std::greater<>> restricted_;  // inner directories first
};

}  // namespace

ArchiveFormat archive_format(const fs::path& path) {
  std::array<char, 512> head{};
  std::ifstream file(path, std::ios::binary);
  file.read(head.data(), head.size());
  const std::string_view bytes(head.data(), static_cast<std::size_t>(file.gcount()));
  if (bytes.empty()) throw std::runtime_error("EOF");
  if (bytes.size() > 262 && bytes.substr(257, 5) == "ustar") return ArchiveFormat::kTar;
  if (bytes.substr(0, 2) == "\x1f\x8b") return ArchiveFormat::kGzip;
  if (bytes.substr(0, 4) == "PK\x03\x04" || bytes.substr(0, 4) == "PK\x05\x06") return ArchiveFormat::kZip;
  throw std::runtime_error("unknown archive format");
}

void make_plain_tar(ArchiveFormat format, int from, int to, const ArchiveLimits& limits) {
  Budget budget(limits);
  switch (format) {
    case ArchiveFormat::kTar:
      break;
    case ArchiveFormat::kGzip:
      return gunzip(from, to, budget);
    case ArchiveFormat::kZip:
      return zip_to_tar(from, to, budget);
  }
  throw std::runtime_error("a plain tar needs no conversion");
}

void extract_tar(int tar, const fs::path& directory, const ArchiveLimits& limits) {
  const Utf8Names names;
  Extraction(open_tar_reader(tar), directory, limits).run();
}

std::uint64_t make_tar_of(const fs::path& directory, const fs::path& tar, const ArchiveLimits& limits) {
  const Utf8Names names;
  Budget budget(limits);
  Reader disk(archive_read_disk_new());
  archive_read_disk_set_symlink_physical(disk.get());
  check(disk.get(), archive_read_disk_open(disk.get(), directory.c_str()), "cannot read directory");
  const base::UniqueFd file(::open(tar.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) throw std::system_error(errno, std::generic_category(), "cannot write " + tar.string());
  TarWriter writer(file.get());
  std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(), archive_entry_free);
  std::unique_ptr<archive_entry_linkresolver, decltype(&archive_entry_linkresolver_free)> links(
      archive_entry_linkresolver_new(), archive_entry_linkresolver_free);
  archive_entry_linkresolver_set_strategy(links.get(), ARCHIVE_FORMAT_TAR_PAX_RESTRICTED);
  for (;;) {
    archive_entry_clear(entry.get());
    const int status = archive_read_next_header2(disk.get(), entry.get());
    if (status == ARCHIVE_EOF) break;
    check(disk.get(), status, "cannot read directory");
    archive_read_disk_descend(disk.get());
    const auto relative = fs::path(archive_entry_pathname(entry.get())).lexically_relative(directory);
    archive_entry_set_pathname(entry.get(), ("./" + relative.string()).c_str());
    // Root's, whatever user unpacked it: owners were not taken over.
    archive_entry_set_uid(entry.get(), 0);
    archive_entry_set_gid(entry.get(), 0);
    // Turns the later names of a file into links; with this strategy it never holds an entry back.
    archive_entry* linked = entry.get();
    archive_entry* later = nullptr;
    archive_entry_linkify(links.get(), &linked, &later);
    budget.take_entry();
    budget.take_bytes(static_cast<std::uint64_t>(std::max<la_int64_t>(archive_entry_size(entry.get()), 0)));
    writer.add(entry.get(), disk.get());
  }
  writer.close();
  return fs::file_size(tar);
}

}  // namespace rivera::executor
