#include "garden/images/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>

#include "garden/images/layer_writer.h"

namespace rivera::garden {

namespace {

using Reader = std::unique_ptr<archive, decltype(&::archive_read_free)>;
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

// Copies entry after entry.
class Unpacker {
 public:
  Unpacker(Reader reader, std::string source, const std::string& target, const IdMapping& mapping)
      : reader_(std::move(reader)),
        writer_(target),
        source_(std::move(source)),
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
    writer_.finish();
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
    const std::string name = relative(::archive_entry_pathname(entry));
    if (const char* existing = ::archive_entry_hardlink(entry)) {
      return writer_.make_hard_link(name, relative(existing));  // an entry with content, too, only links
    }
    switch (::archive_entry_filetype(entry)) {
      case AE_IFDIR:
        return writer_.make_directory(name, attributes_of(entry));
      case AE_IFLNK: {
        const char* destination = ::archive_entry_symlink(entry);
        if (destination == nullptr) throw std::runtime_error(name + ": a symbolic link without a destination");
        return writer_.make_symbolic_link(name, destination, attributes_of(entry));
      }
      case AE_IFREG: {
        const auto file = writer_.create_file(name);
        copy_content(name, file, entry);
        return writer_.finish_file(name, file, attributes_of(entry));
      }
      default:
        return;  // device nodes, pipes and sockets (§4.4)
    }
  }

  LayerWriter::Attributes attributes_of(archive_entry* entry) const {
    LayerWriter::Attributes attributes;
    attributes.uid = mapping_.host_uid(static_cast<std::uint32_t>(::archive_entry_uid(entry)));
    attributes.gid = mapping_.host_gid(static_cast<std::uint32_t>(::archive_entry_gid(entry)));
    attributes.mode = ::archive_entry_perm(entry);
    attributes.modified = {::archive_entry_mtime(entry), ::archive_entry_mtime_nsec(entry)};
    const char* key = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    ::archive_entry_xattr_reset(entry);
    while (::archive_entry_xattr_next(entry, &key, &value, &size) == ARCHIVE_OK) {
      attributes.extended[key] = std::string(static_cast<const char*>(value), size);
    }
    return attributes;
  }

  // Below the target: without the source directory.
  std::string relative(const char* path) const {
    const std::string name = path == nullptr ? "" : path;
    return name.starts_with(source_) ? name.substr(source_.size()) : name;
  }

  void copy_content(const std::string& name, const base::UniqueFd& file, archive_entry* entry) {
    const void* block = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    while (true) {
      const int result = ::archive_read_data_block(reader_.get(), &block, &size, &offset);
      if (result == ARCHIVE_EOF) break;
      if (result < ARCHIVE_WARN) fail(name, reader_.get());
      write_at(name, file, {static_cast<const char*>(block), size}, offset);
      size_ += size;
    }
    // A sparse file may end with a hole.
    struct stat info {};
    const la_int64_t whole = ::archive_entry_size_is_set(entry) != 0 ? ::archive_entry_size(entry) : 0;
    if (::fstat(file.get(), &info) != 0 || (info.st_size < whole && ::ftruncate(file.get(), whole) != 0))
      throw std::system_error(errno, std::generic_category(), name);
  }

  static void write_at(const std::string& name, const base::UniqueFd& file, std::string_view bytes, off_t offset) {
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(file.get(), bytes.data(), bytes.size(), offset);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw std::system_error(errno, std::generic_category(), name);
      bytes.remove_prefix(static_cast<std::size_t>(n));
      offset += n;
    }
  }

  Reader reader_;
  LayerWriter writer_;
  std::string source_;  // of a directory; else ""
  const IdMapping& mapping_;
  std::unique_ptr<archive_entry_linkresolver, decltype(&::archive_entry_linkresolver_free)> links_;
  std::uint64_t size_ = 0;
};

}  // namespace

std::uint64_t unpack(const std::string& source, const std::string& target, const IdMapping& mapping) {
  const bool is_directory = std::filesystem::is_directory(source);
  const std::string real_source = std::filesystem::canonical(source);
  Unpacker unpacker(is_directory ? open_directory(real_source) : open_tar(real_source), is_directory ? real_source : "",
                    target, mapping);
  return unpacker.run(is_directory);
}

}  // namespace rivera::garden
