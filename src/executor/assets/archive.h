// Conversion of downloaded archives to plain tars and directories (docs/spec/cell.md §4.4). Archives are not trusted:
// the code that reads one runs in a process of its own (archive_worker.h), and does not rely on that protection. All
// functions block: call them on a worker.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace rivera::executor {

// What an archive may hold, so that a small download cannot fill the disk. Above a limit every function throws
// std::runtime_error and leaves what it has written so far to its caller.
struct ArchiveLimits {
  std::uint64_t bytes = std::uint64_t{16} << 30;  // of all files together, holes included
  std::uint64_t entries = 1'000'000;
};

enum class ArchiveFormat { kTar, kGzip, kZip };

// Decides by the first 512 bytes of a file. Throws std::runtime_error: "EOF" if it is empty, "unknown archive format".
ArchiveFormat archive_format(const std::filesystem::path& path);

// Writes the gzipped tar or zip of which `from` is a descriptor to the descriptor `to`, as a plain tar. Throws
// std::runtime_error.
void make_plain_tar(ArchiveFormat format, int from, int to, const ArchiveLimits& limits = {});

// Extracts the plain tar of which `tar` is a descriptor into the existing `directory`. Nothing outside it is read or
// changed: names are taken relative to it and cannot leave it, links in it are never followed, and a later entry
// replaces an earlier one of its name. Files, directories, symbolic links and hard links are created; devices, pipes
// and sockets are skipped. Modes are the archive's less the umask, without setuid and setgid; owners, times and
// attributes are not taken over. Throws std::runtime_error.
void extract_tar(int tar, const std::filesystem::path& directory, const ArchiveLimits& limits = {});

// Makes a plain tar of the content of `directory`, owned by root; hard links in it stay links. Returns its size in
// bytes. Throws std::runtime_error.
std::uint64_t make_tar_of(const std::filesystem::path& directory, const std::filesystem::path& tar,
                          const ArchiveLimits& limits = {});

// Extracts the content of the first file of a tar stream that arrives in pieces. Does not block.
class FirstTarEntry {
 public:
  // Returns the part of `piece` that is content of the file. Throws std::runtime_error if the stream is not a tar.
  std::string feed(std::string_view piece);
  // True once the file's header was read. False at the end of the stream means that it holds no file.
  bool found() const { return state_ != State::kHeader; }
  // True once feed() has returned the whole content.
  bool complete() const { return state_ == State::kDone; }

 private:
  enum class State { kHeader, kContent, kDone };
  void take_header();

  State state_ = State::kHeader;
  std::string block_;       // up to 512 bytes of a header
  std::uint64_t skip_ = 0;  // bytes until the next header
  std::uint64_t left_ = 0;  // bytes of content
  std::string skipped_;     // the content of an extended header
  bool keeps_skipped_ = false;
  std::optional<std::uint64_t> extended_size_;  // "size" of the extended header before the next entry
};

}  // namespace rivera::executor
