#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "executor/assets/archive.h"

namespace rivera::executor {
namespace {

constexpr std::size_t kHeaderSize = 512;
constexpr std::uint64_t kExtendedHeaderLimit = 1u << 20;

// A number field: octal digits, or binary with the top bit set.
std::uint64_t number_field(std::string_view field) {
  if (static_cast<unsigned char>(field[0]) & 0x80) {
    std::uint64_t value = static_cast<unsigned char>(field[0]) & 0x7F;
    for (const char c : field.substr(1)) value = (value << 8) | static_cast<unsigned char>(c);
    return value;
  }
  std::uint64_t value = 0;
  for (const char c : field) {
    if (c < '0' || c > '7') {
      if (c == ' ' && value == 0) continue;
      break;
    }
    value = value * 8 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

// The value of the record "size" of a pax header, whose records are "<length> <key>=<value>\n". A length covers its
// whole record, so that a value that looks like another record is not taken for one.
std::optional<std::uint64_t> size_record(std::string_view records) {
  std::optional<std::uint64_t> size;
  while (!records.empty()) {
    std::size_t length = 0;
    const auto [end, ec] = std::from_chars(records.data(), records.data() + records.size(), length);
    const auto digits = static_cast<std::size_t>(end - records.data());
    if (ec != std::errc() || length <= digits + 1 || length > records.size()) break;
    const auto record = records.substr(digits + 1, length - digits - 1);
    records.remove_prefix(length);
    if (!record.starts_with("size=")) continue;
    std::uint64_t value = 0;
    if (std::from_chars(record.data() + 5, record.data() + record.size(), value).ec == std::errc()) size = value;
  }
  return size;
}

std::uint64_t padded(std::uint64_t size) { return (size + kHeaderSize - 1) / kHeaderSize * kHeaderSize; }

}  // namespace

std::string FirstTarEntry::feed(std::string_view piece) {
  std::string content;
  while (!piece.empty() && state_ != State::kDone) {
    if (state_ == State::kContent) {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, piece.size()));
      content += piece.substr(0, count);
      piece.remove_prefix(count);
      left_ -= count;
      if (left_ == 0) state_ = State::kDone;
    } else if (skip_ > 0) {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, piece.size()));
      if (keeps_skipped_) skipped_ += piece.substr(0, count);
      piece.remove_prefix(count);
      skip_ -= count;
      if (skip_ == 0 && keeps_skipped_) {
        extended_size_ = size_record(skipped_);
        keeps_skipped_ = false;
        skipped_.clear();
      }
    } else {
      const auto count = std::min(kHeaderSize - block_.size(), piece.size());
      block_ += piece.substr(0, count);
      piece.remove_prefix(count);
      if (block_.size() == kHeaderSize) take_header();
    }
  }
  return content;
}

void FirstTarEntry::take_header() {
  const std::string block = std::exchange(block_, {});
  if (block.find_first_not_of('\0') == std::string::npos) return;  // the end of the archive
  if (block.compare(257, 5, "ustar") != 0) throw std::runtime_error("the stream is not a tar archive");
  const auto size = number_field(std::string_view(block).substr(124, 12));
  switch (block[156]) {
    case 'x':
    case 'g':
    case 'L':
    case 'K':
      if (size > kExtendedHeaderLimit) throw std::runtime_error("the tar archive has an oversized header");
      skip_ = padded(size);
      keeps_skipped_ = block[156] == 'x' && size > 0;
      return;
    case '5':  // a directory, whose first file follows
      extended_size_.reset();
      skip_ = padded(size);
      return;
    default:
      left_ = extended_size_.value_or(size);
      state_ = left_ == 0 ? State::kDone : State::kContent;
  }
}

}  // namespace rivera::executor
