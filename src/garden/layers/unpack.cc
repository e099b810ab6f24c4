#include "garden/layers/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <unistd.h>

#include "base/bytes.h"
#include "base/units.h"
#include "garden/registry/image_documents.h"
#include "net/crypto/digest.h"

namespace rivera::garden {

namespace {

using Reader = std::unique_ptr<archive, decltype(&::archive_read_free)>;
using Entry = std::unique_ptr<archive_entry, decltype(&::archive_entry_free)>;

constexpr std::size_t kReadSize = 256 * base::kKibibyte;
// Of the archive itself, beside the content of its files.
constexpr std::uint64_t kHeaderBytes = 1u << 30;
constexpr std::string_view kWhiteout = ".wh.", kOpaqueMark = ".wh..wh..opq", kWhiteoutMeta = ".wh..wh.";

[[noreturn]] void fail(const std::string& what, archive* a) {
  const char* reason = ::archive_error_string(a);
  throw std::runtime_error(what + ": " + (reason == nullptr ? "unknown error" : reason));
}

// The uncompressed bytes of a file: counted, and digested if need be. Filters that call other programs are not used.
class PlainStream {
 public:
  PlainStream(const std::string& path, const UnpackOptions& options)
      : path_(path), options_(options), reader_(::archive_read_new(), &::archive_read_free) {
    ::archive_read_support_filter_gzip(reader_.get());
    ::archive_read_support_filter_zstd(reader_.get());
    ::archive_read_support_filter_xz(reader_.get());
    ::archive_read_support_filter_bzip2(reader_.get());
    ::archive_read_support_format_raw(reader_.get());
    ::archive_read_support_format_empty(reader_.get());
    if (::archive_read_open_filename(reader_.get(), path.c_str(), kReadSize) != ARCHIVE_OK) fail(path, reader_.get());
    if (!options.diff_id.empty()) {
      digest_.emplace(net::parse_digest_algorithm(options.diff_id.substr(0, options.diff_id.find(':'))));
    }
    archive_entry* entry = nullptr;
    const int result = ::archive_read_next_header(reader_.get(), &entry);
    is_at_end_ = result == ARCHIVE_EOF;
    if (result < ARCHIVE_WARN) fail(path, reader_.get());
  }

  // The next bytes, valid until the next call; none at the end.
  std::string_view next() {
    const void* block = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    while (!is_at_end_ && size == 0) {
      const int result = ::archive_read_data_block(reader_.get(), &block, &size, &offset);
      is_at_end_ = result == ARCHIVE_EOF;
      if (result < ARCHIVE_WARN) fail(path_, reader_.get());
      if (is_at_end_) return {};
    }
    if (is_at_end_) return {};
    const std::string_view bytes(static_cast<const char*>(block), size);
    total_ += size;
    if (total_ > options_.most_bytes && total_ - options_.most_bytes > kHeaderBytes)
      throw std::runtime_error("uncompressed layer size exceeds quota");
    if (digest_) digest_->update(bytes);
    return bytes;
  }

  // Reads what the archive's reader left, and compares the digest.
  void finish() {
    if (!digest_) return;
    while (!next().empty()) {
    }
    const auto colon = options_.diff_id.find(':');
    if (options_.diff_id.substr(colon + 1) != base::to_hex(digest_->finish()))
      throw BadImage("the layer's content has another digest than " + options_.diff_id);
  }

  // libarchive's callback: an exception must not pass through its code.
  static la_ssize_t read(archive* a, void* self, const void** buffer) {
    auto& stream = *static_cast<PlainStream*>(self);
    try {
      const auto bytes = stream.next();
      *buffer = bytes.data();
      return static_cast<la_ssize_t>(bytes.size());
    } catch (const std::exception& e) {
      stream.failure_ = std::current_exception();
      ::archive_set_error(a, EIO, "%s", e.what());
      return -1;
    }
  }
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  std::string path_;
  const UnpackOptions& options_;
  Reader reader_;
  std::optional<net::Digest> digest_;
  std::uint64_t total_ = 0;
  bool is_at_end_ = false;
  std::exception_ptr failure_;
};

// Takes entry after entry.
class TarUnpacker {
 public:
  TarUnpacker(const std::string& source, const std::string& target, const IdMapping& mapping,
              const UnpackOptions& options)
      : source_(source),
        stream_(source, options),
        reader_(::archive_read_new(), &::archive_read_free),
        writer_(target, options.base_directory),
        mapping_(mapping),
        options_(options) {
    ::archive_read_support_format_tar(reader_.get());
    ::archive_read_support_format_empty(reader_.get());
    if (::archive_read_open(reader_.get(), &stream_, nullptr, &PlainStream::read, nullptr) != ARCHIVE_OK)
      fail_reading(source);
  }

  Unpacked run() {
    const Entry entry(::archive_entry_new(), &::archive_entry_free);
    while (next(entry.get())) take(entry.get());
    stream_.finish();
    writer_.finish();
    return {figures_, writer_.implied()};
  }

 private:
  [[noreturn]] void fail_reading(const std::string& what) {
    stream_.rethrow();
    fail(what, reader_.get());
  }

  bool next(archive_entry* entry) {
    const int result = ::archive_read_next_header2(reader_.get(), entry);
    if (result == ARCHIVE_EOF) return false;
    if (result < ARCHIVE_WARN) fail_reading(source_);
    if (++figures_.entries > options_.most_entries) throw std::runtime_error("the layer has too many entries");
    return true;
  }

  void take(archive_entry* entry) {
    const char* path = ::archive_entry_pathname(entry);
    if (path == nullptr) throw std::runtime_error("an entry has no name");
    const std::string name = path;
    if (take_whiteout(name)) return;
    if (const char* existing = ::archive_entry_hardlink(entry)) {
      return writer_.make_hard_link(name, existing);  // an entry with content, too, only links
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
        return;  // device nodes, pipes and sockets
    }
  }

  bool take_whiteout(const std::string& name) {
    const auto slash = name.rfind('/');
    const std::size_t base = slash == std::string::npos ? 0 : slash + 1;
    const std::string_view last = std::string_view(name).substr(base);
    if (!last.starts_with(kWhiteout)) return false;
    const std::string directory = name.substr(0, base);
    if (last == kOpaqueMark) {
      writer_.make_opaque(directory);
    } else if (!last.starts_with(kWhiteoutMeta)) {  // other marks are of aufs itself
      const std::string hidden(last.substr(kWhiteout.size()));
      if (hidden.empty() || hidden == "." || hidden == "..") throw std::runtime_error(name + ": it hides nothing");
      writer_.hide(directory + hidden);
    }
    return true;
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

  void copy_content(const std::string& name, const base::UniqueFd& file, archive_entry* entry) {
    const void* block = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0, end = 0;
    while (true) {
      const int result = ::archive_read_data_block(reader_.get(), &block, &size, &offset);
      if (result == ARCHIVE_EOF) break;
      if (result < ARCHIVE_WARN) fail_reading(name);
      figures_.bytes += size;
      if (figures_.bytes > options_.most_bytes) throw std::runtime_error("uncompressed layer size exceeds quota");
      write_at(name, file, {static_cast<const char*>(block), size}, offset);
      end = std::max(end, offset + static_cast<la_int64_t>(size));
    }
    // A sparse file may end with a hole.
    const la_int64_t whole = ::archive_entry_size_is_set(entry) != 0 ? ::archive_entry_size(entry) : 0;
    if (end < whole && ::ftruncate(file.get(), whole) != 0)
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

  std::string source_;
  PlainStream stream_;  // outlives its reader
  Reader reader_;
  LayerWriter writer_;
  const IdMapping& mapping_;
  const UnpackOptions& options_;
  LayerFigures figures_;
};

}  // namespace

Unpacked unpack_tar(const std::string& source, const std::string& target, const IdMapping& mapping,
                    const UnpackOptions& options) {
  return TarUnpacker(source, target, mapping, options).run();
}

Unpacked unpack(const std::string& source, const std::string& target, const IdMapping& mapping) {
  const std::string real_source = std::filesystem::canonical(source);
  return std::filesystem::is_directory(real_source) ? copy_directory(real_source, target, mapping)
                                                    : unpack_tar(real_source, target, mapping);
}

}  // namespace rivera::garden
