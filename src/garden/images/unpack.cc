#include "garden/images/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <sys/stat.h>

namespace rivera::garden {

namespace {

using Reader = std::unique_ptr<archive, decltype(&::archive_read_free)>;
using Writer = std::unique_ptr<archive, decltype(&::archive_write_free)>;
using Entry = std::unique_ptr<archive_entry, decltype(&::archive_entry_free)>;

[[noreturn]] void fail(const std::string& what, archive* a) {
  const char* reason = ::archive_error_string(a);
  throw std::runtime_error(what + ": " + (reason == nullptr ? "unknown error" : reason));
}

Reader open_tar(const std::string& path) {
  Reader reader(::archive_read_new(), &::archive_read_free);
  ::archive_read_support_filter_all(reader.get());
  ::archive_read_support_format_tar(reader.get());
  ::archive_read_support_format_empty(reader.get());
  if (::archive_read_open_filename(reader.get(), path.c_str(), 128 * 1024) != ARCHIVE_OK) fail(path, reader.get());
  return reader;
}

Reader open_directory(const std::string& path) {
  Reader reader(::archive_read_disk_new(), &::archive_read_free);
  ::archive_read_disk_set_symlink_physical(reader.get());
  ::archive_read_disk_set_behavior(reader.get(), ARCHIVE_READDISK_NO_TRAVERSE_MOUNTS);
  if (::archive_read_disk_open(reader.get(), path.c_str()) != ARCHIVE_OK) fail(path, reader.get());
  return reader;
}

Writer open_target() {
  Writer writer(::archive_write_disk_new(), &::archive_write_free);
  ::archive_write_disk_set_options(writer.get(), ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME |
                                                     ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_UNLINK |
                                                     ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_SYMLINKS);
  return writer;
}

// Copies entry after entry.
class Unpacker {
 public:
  Unpacker(Reader reader, std::string source, std::string target, const IdMapping& mapping)
      : reader_(std::move(reader)),
        writer_(open_target()),
        source_(std::move(source)),
        target_(std::move(target)),
        mapping_(mapping),
        links_(::archive_entry_linkresolver_new(), &::archive_entry_linkresolver_free) {
    ::archive_entry_linkresolver_set_strategy(links_.get(), ARCHIVE_FORMAT_TAR_USTAR);
  }

  std::uint64_t run(bool is_directory) {
    const Entry entry(::archive_entry_new(), &::archive_entry_free);
    while (next(entry.get())) {
      if (is_directory) {
        ::archive_read_disk_descend(reader_.get());
        archive_entry* linked = entry.get();
        archive_entry* later = nullptr;
        ::archive_entry_linkify(links_.get(), &linked, &later);  // with this strategy never holds an entry back
      }
      take(entry.get());
    }
    if (::archive_write_close(writer_.get()) != ARCHIVE_OK) fail(target_, writer_.get());
    return size_;
  }

 private:
  bool next(archive_entry* entry) {
    const int result = ::archive_read_next_header2(reader_.get(), entry);
    if (result == ARCHIVE_EOF) return false;
    if (result < ARCHIVE_WARN) fail(source_, reader_.get());
    return true;
  }

  void take(archive_entry* entry) {
    const auto type = ::archive_entry_filetype(entry);
    if (type == AE_IFCHR || type == AE_IFBLK || type == AE_IFSOCK) return;
    std::string name = relative(::archive_entry_pathname(entry));
    ::archive_entry_set_pathname(entry, (target_ + "/" + name).c_str());
    if (const char* link = ::archive_entry_hardlink(entry)) {
      ::archive_entry_set_hardlink(entry, (target_ + "/" + relative(link)).c_str());
    }
    ::archive_entry_set_uid(entry, mapping_.host_uid(static_cast<std::uint32_t>(::archive_entry_uid(entry))));
    ::archive_entry_set_gid(entry, mapping_.host_gid(static_cast<std::uint32_t>(::archive_entry_gid(entry))));
    ::archive_entry_set_uname(entry, nullptr);
    ::archive_entry_set_gname(entry, nullptr);
    if (::archive_write_header(writer_.get(), entry) < ARCHIVE_WARN) fail(name, writer_.get());
    if (::archive_entry_hardlink(entry) == nullptr && type == AE_IFREG) copy_data(name);
    if (::archive_write_finish_entry(writer_.get()) < ARCHIVE_WARN) fail(name, writer_.get());
  }

  // Below the target: without the source directory, without leading slashes.
  std::string relative(const char* path) const {
    std::string name = path == nullptr ? "" : path;
    if (name.rfind(source_, 0) == 0) name.erase(0, source_.size());
    name.erase(0, std::min(name.find_first_not_of('/'), name.size()));
    return name.empty() ? "." : name;
  }

  void copy_data(const std::string& name) {
    const void* block = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    while (true) {
      const int result = ::archive_read_data_block(reader_.get(), &block, &size, &offset);
      if (result == ARCHIVE_EOF) return;
      if (result < ARCHIVE_WARN) fail(name, reader_.get());
      if (::archive_write_data_block(writer_.get(), block, size, offset) < ARCHIVE_WARN) fail(name, writer_.get());
      size_ += size;
    }
  }

  Reader reader_;
  Writer writer_;
  std::string source_, target_;
  const IdMapping& mapping_;
  std::unique_ptr<archive_entry_linkresolver, decltype(&::archive_entry_linkresolver_free)> links_;
  std::uint64_t size_ = 0;
};

}  // namespace

std::uint64_t unpack(const std::string& source, const std::string& target, const IdMapping& mapping) {
  const bool is_directory = std::filesystem::is_directory(source);
  // Without symbolic links in it, so that the refusal to follow any concerns the archive's only.
  const std::string real_target = std::filesystem::canonical(target);
  const std::string real_source = std::filesystem::canonical(source);
  Unpacker unpacker(is_directory ? open_directory(real_source) : open_tar(real_source),
                    is_directory ? real_source : source, real_target, mapping);
  return unpacker.run(is_directory);
}

}  // namespace rivera::garden
