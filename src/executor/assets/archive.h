// Archives: whatever came is made a plain tar (docs/spec/cell.md §4.4). Everything here blocks: call it on a worker.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace rivera::executor {

// Writes the tar, gzipped tar or zip in `from` to `to` as a plain tar; `from` may be moved. Returns its size in bytes.
// Throws std::runtime_error: "unknown archive format", or what is wrong with it.
std::uint64_t make_plain_tar(const std::filesystem::path& from, const std::filesystem::path& to);

// Unpacks a plain tar below `directory`, which is made. Entries stay inside it; owners are those of the archive if we
// are root. Throws std::runtime_error.
void extract_tar(const std::filesystem::path& tar, const std::filesystem::path& directory);

// Makes a plain tar of what is below `directory`. Returns its size in bytes. Throws std::runtime_error.
std::uint64_t make_tar_of(const std::filesystem::path& directory, const std::filesystem::path& tar);

// Finds the content of the first file of a tar stream that comes in pieces. Does not block.
class FirstTarEntry {
 public:
  // Takes a piece and gives the part of it that is content. Throws std::runtime_error if it is no tar.
  std::string feed(std::string_view piece);
  // The entry has begun; false at the end of the stream: there was none.
  bool found() const { return state_ != State::kHeader; }
  // All of its content has been given.
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
  std::optional<std::uint64_t> extended_size_;  // "size" of an extended header
};

}  // namespace rivera::executor
