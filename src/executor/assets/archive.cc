#include "executor/assets/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <array>
#include <cstring>
#include <fstream>
#include <memory>
#include <stdexcept>

#include "base/files.h"

namespace rivera::executor {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = 64u << 10;

struct ReaderCloser {
  void operator()(archive* a) const { archive_read_free(a); }
};
struct WriterCloser {
  void operator()(archive* a) const { archive_write_free(a); }
};
using Reader = std::unique_ptr<archive, ReaderCloser>;
using Writer = std::unique_ptr<archive, WriterCloser>;

void check(archive* a, int status, const char* doing) {
  if (status >= ARCHIVE_WARN) return;
  const char* why = archive_error_string(a);
  throw std::runtime_error(std::string(doing) + ": " + (why ? why : "unknown error"));
}

enum class Format { kTar, kGzip, kZip };

// By the first 512 bytes.
Format format_of(const fs::path& path) {
  std::array<char, 512> head{};
  std::ifstream file(path, std::ios::binary);
  file.read(head.data(), head.size());
  const std::string_view bytes(head.data(), static_cast<std::size_t>(file.gcount()));
  if (bytes.size() > 262 && bytes.substr(257, 5) == "ustar") return Format::kTar;
  if (bytes.substr(0, 2) == "\x1f\x8b") return Format::kGzip;
  if (bytes.substr(0, 4) == "PK\x03\x04" || bytes.substr(0, 4) == "PK\x05\x06") return Format::kZip;
  throw std::runtime_error("unknown archive format");
}

// Every file's data of `from` into `to`; holes are written as zeros.
void copy_data(archive* from, archive* to) {
  std::array<char, kBlock> buffer;
  for (;;) {
    const auto count = archive_read_data(from, buffer.data(), buffer.size());
    if (count < 0) check(from, static_cast<int>(count), "cannot read archive");
    if (count == 0) return;
    if (archive_write_data(to, buffer.data(), static_cast<std::size_t>(count)) < 0) {
      check(to, ARCHIVE_FATAL, "cannot write archive");
    }
  }
}

Writer open_tar_writer(const fs::path& path) {
  Writer writer(archive_write_new());
  archive_write_set_format_pax_restricted(writer.get());
  check(writer.get(), archive_write_open_filename(writer.get(), path.c_str()), "cannot write archive");
  return writer;
}

void gunzip(const fs::path& from, const fs::path& to) {
  Reader reader(archive_read_new());
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_format_raw(reader.get());
  check(reader.get(), archive_read_open_filename(reader.get(), from.c_str(), kBlock), "cannot read archive");
  archive_entry* entry = nullptr;
  check(reader.get(), archive_read_next_header(reader.get(), &entry), "cannot read archive");
  std::ofstream out(to, std::ios::binary | std::ios::trunc);
  std::array<char, kBlock> buffer;
  for (;;) {
    const auto count = archive_read_data(reader.get(), buffer.data(), buffer.size());
    if (count < 0) check(reader.get(), static_cast<int>(count), "cannot read archive");
    if (count == 0) break;
    out.write(buffer.data(), count);
  }
  out.flush();
  if (!out) throw std::runtime_error("cannot write " + to.string());
}

void zip_to_tar(const fs::path& from, const fs::path& to) {
  Reader reader(archive_read_new());
  archive_read_support_format_zip(reader.get());
  check(reader.get(), archive_read_open_filename(reader.get(), from.c_str(), kBlock), "cannot read archive");
  auto writer = open_tar_writer(to);
  archive_entry* entry = nullptr;
  for (;;) {
    const int status = archive_read_next_header(reader.get(), &entry);
    if (status == ARCHIVE_EOF) break;
    check(reader.get(), status, "cannot read archive");
    // A streamed zip may not say how long a file is, which a tar must know.
    if (archive_entry_filetype(entry) == AE_IFREG && !archive_entry_size_is_set(entry)) {
      throw std::runtime_error("cannot read archive: a file of unknown size");
    }
    check(writer.get(), archive_write_header(writer.get(), entry), "cannot write archive");
    if (archive_entry_size(entry) > 0) copy_data(reader.get(), writer.get());
  }
  check(writer.get(), archive_write_close(writer.get()), "cannot write archive");
}

Reader open_tar_reader(const fs::path& tar) {
  Reader reader(archive_read_new());
  archive_read_support_format_tar(reader.get());
  archive_read_support_format_empty(reader.get());
  check(reader.get(), archive_read_open_filename(reader.get(), tar.c_str(), kBlock), "cannot read archive");
  return reader;
}

// The path below `directory`, whatever tricks `name` has.
std::string inside(const fs::path& directory, const char* name) {
  fs::path clean;
  for (const auto& part : fs::path(name ? name : "")) {
    if (part == "..") throw std::runtime_error("cannot unpack archive: a path with \"..\"");
    if (part == "/" || part == ".") continue;
    clean /= part;
  }
  return (directory / clean).string();
}

bool is_within(const fs::path& path, const fs::path& root) {
  return path == root || path.string().starts_with(root.string() + "/");
}

}  // namespace

std::uint64_t make_plain_tar(const fs::path& from, const fs::path& to) {
  switch (format_of(from)) {
    case Format::kTar:
      fs::rename(from, to);
      break;
    case Format::kGzip:
      gunzip(from, to);
      break;
    case Format::kZip:
      zip_to_tar(from, to);
      break;
  }
  return fs::file_size(to);
}

void extract_tar(const fs::path& tar, const fs::path& directory) {
  fs::create_directories(directory);
  // What the disk writer compares with to stay inside must not have links in it itself.
  const auto root = fs::canonical(directory);
  auto reader = open_tar_reader(tar);
  Writer disk(archive_write_disk_new());
  archive_write_disk_set_options(disk.get(), ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_OWNER |
                                                 ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_SECURE_NODOTDOT);
  archive_entry* entry = nullptr;
  for (;;) {
    const int status = archive_read_next_header(reader.get(), &entry);
    if (status == ARCHIVE_EOF) break;
    check(reader.get(), status, "cannot read archive");
    const auto path = inside(root, archive_entry_pathname(entry));
    // A link that an earlier entry made may lead out of the directory.
    if (path != root.string() && !is_within(fs::weakly_canonical(fs::path(path).parent_path()), root)) {
      throw std::runtime_error("cannot unpack archive: an entry below a link that leads outside");
    }
    archive_entry_set_pathname(entry, path.c_str());
    if (const char* link = archive_entry_hardlink(entry)) archive_entry_set_hardlink(entry, inside(root, link).c_str());
    check(disk.get(), archive_write_header(disk.get(), entry), "cannot unpack archive");
    if (archive_entry_size(entry) > 0) copy_data(reader.get(), disk.get());
    check(disk.get(), archive_write_finish_entry(disk.get()), "cannot unpack archive");
  }
}

std::uint64_t make_tar_of(const fs::path& directory, const fs::path& tar) {
  Reader disk(archive_read_disk_new());
  archive_read_disk_set_symlink_physical(disk.get());
  check(disk.get(), archive_read_disk_open(disk.get(), directory.c_str()), "cannot read directory");
  auto writer = open_tar_writer(tar);
  std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(), archive_entry_free);
  for (;;) {
    archive_entry_clear(entry.get());
    const int status = archive_read_next_header2(disk.get(), entry.get());
    if (status == ARCHIVE_EOF) break;
    check(disk.get(), status, "cannot read directory");
    archive_read_disk_descend(disk.get());
    const auto relative = fs::path(archive_entry_pathname(entry.get())).lexically_relative(directory);
    archive_entry_set_pathname(entry.get(), ("./" + relative.string()).c_str());
    check(writer.get(), archive_write_header(writer.get(), entry.get()), "cannot write archive");
    if (archive_entry_size(entry.get()) > 0) copy_data(disk.get(), writer.get());
  }
  check(writer.get(), archive_write_close(writer.get()), "cannot write archive");
  return fs::file_size(tar);
}

}  // namespace rivera::executor
