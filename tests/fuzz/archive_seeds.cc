// Archives that mutation starts from: written by libarchive, and as instructions of tar_of().
#include <archive.h>
#include <archive_entry.h>
#include <memory>

#include "seeds.h"
#include "targets.h"

namespace rivera::fuzz {
namespace {

struct File {
  const char* name;
  unsigned type;
  const char* link;  // of a symbolic link, or the content of a file
  const char* hard_link = nullptr;
};

constexpr File kFiles[] = {{"a", AE_IFDIR, ""},
                           {"a/b", AE_IFREG, "content"},
                           {"a/c", AE_IFREG, "", "a/b"},
                           {"a/d", AE_IFLNK, "../../outside"},
                           {"a/d/witness", AE_IFREG, "changed"},
                           {"\xc3\xa4/\xc3\xb6", AE_IFREG, "text"},
                           {"a/.wh.b", AE_IFREG, ""},
                           {"a/.wh..wh..opq", AE_IFREG, ""},
                           {"/outside/witness", AE_IFREG, "changed"},
                           {"p", AE_IFIFO, ""}};

la_ssize_t append(archive*, void* to, const void* bytes, std::size_t size) {
  static_cast<std::string*>(to)->append(static_cast<const char*>(bytes), size);
  return static_cast<la_ssize_t>(size);
}

// `files` are names of kFiles by index, last excluded.
std::string archive_of(int (*set_format)(archive*), int (*add_filter)(archive*), std::size_t files) {
  std::string bytes;
  const std::unique_ptr<archive, int (*)(archive*)> writer(archive_write_new(), archive_write_free);
  set_format(writer.get());
  if (add_filter != nullptr) add_filter(writer.get());
  archive_write_set_bytes_in_last_block(writer.get(), 1);
  archive_write_open(writer.get(), &bytes, nullptr, append, nullptr);
  const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(), archive_entry_free);
  for (std::size_t i = 0; i < files && i < std::size(kFiles); ++i) {
    const File& file = kFiles[i];
    const std::string content = file.type == AE_IFREG && file.hard_link == nullptr ? file.link : "";
    archive_entry_clear(entry.get());
    archive_entry_set_pathname(entry.get(), file.name);
    archive_entry_set_filetype(entry.get(), file.type);
    archive_entry_set_perm(entry.get(), file.type == AE_IFDIR ? 0755 : 0644);
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
    archive_entry_set_mtime(entry.get(), 1'000, 500);
    if (file.type == AE_IFLNK) archive_entry_set_symlink(entry.get(), file.link);
    if (file.hard_link != nullptr) archive_entry_set_hardlink(entry.get(), file.hard_link);
    if (file.type == AE_IFREG) archive_entry_xattr_add_entry(entry.get(), "user.a", "value", 5);
    if (archive_write_header(writer.get(), entry.get()) < ARCHIVE_WARN) continue;
    archive_write_data(writer.get(), content.data(), content.size());
  }
  archive_write_close(writer.get());
  return bytes;
}

// Instructions of tar_of(): each a type, a name and so on, as it takes them.
Seeds scripts() {
  const std::string zero(1, '\0');
  return {
      std::string("\0\x04\x01\x00\x01", 5),                                               // directory a
      std::string("\0\x04\x01\x00\x01\x00\x02\x00\x01\x00\x01\x01\x05", 13),              // a, a/b with content
      std::string("\0\x09\x01\x00\x04\x03\x03\x06\x07\x00\x00", 11),                      // a -> ../../outside/witness
      std::string("\0\x09\x01\x00\x02\x03\x06\x00\x00\x00\x02\x00\x07\x01\x40\x00", 16),  // a -> ../outside, a/witness
      std::string("\0\x07\x01\x00\x0a\x06\x07\x00\x00", 9),                   // a is a hard link to /outside/witness
      std::string("\0\x0a\x02\x00\x05\x02\x06\x03\x02\x07\x01\x00\x00", 13),  // extended headers
      std::string("\0\x0e\x01\x00\x03\x50\x00\x00\x02\x04", 10),              // a sparse file
      std::string("\0\x00\x02\x00\x0f\x00\x00\x00\x00\x01\x0a\x00\x00", 13),  // whiteouts
  };
}

Seeds tars() {
  Seeds seeds = scripts();
  for (const std::size_t files : {1u, 3u, 4u, 10u}) {
    for (auto* format :
         {archive_write_set_format_pax, archive_write_set_format_gnutar, archive_write_set_format_ustar}) {
      seeds.push_back('\1' + archive_of(format, nullptr, files));
    }
  }
  return seeds;
}

}  // namespace

Seeds of_archives() {
  Seeds seeds;
  for (const auto& tar : tars()) {
    seeds.push_back('\0' + tar);
    seeds.push_back("\4\10" + tar);
  }
  for (const std::size_t files : {1u, 3u, 10u}) {
    const std::string gzip = archive_of(archive_write_set_format_pax, archive_write_add_filter_gzip, files);
    const std::string zip = archive_of(archive_write_set_format_zip, nullptr, files);
    seeds.push_back('\1' + gzip);
    seeds.push_back('\2' + zip);
    for (const auto& bytes : {gzip, zip, archive_of(archive_write_set_format_pax, nullptr, files)}) {
      seeds.push_back('\3' + bytes);
    }
  }
  return seeds;
}

Seeds of_tar_streams() {
  Seeds seeds = tars();
  seeds.push_back("\3root:x:0:0:root:/root:/bin/bash\nvcap:x:2000:2000:,,,:/home/vcap:/bin/bash\na:x:1\n");
  return seeds;
}

Seeds of_layers() {
  Seeds seeds;
  for (const auto& tar : tars()) {
    for (const char options : {'\0', '\1', '\3'}) seeds.push_back(options + tar);
  }
  for (auto* filter : {archive_write_add_filter_gzip, archive_write_add_filter_zstd, archive_write_add_filter_xz}) {
    seeds.push_back(std::string("\0\2", 2) + archive_of(archive_write_set_format_pax, filter, 8));
  }
  return seeds;
}

}  // namespace rivera::fuzz
