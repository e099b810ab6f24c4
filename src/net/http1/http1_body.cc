#include "net/http1/http1_body.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/units.h"

namespace rivera::net {
namespace {

constexpr std::size_t kBodyLineLimit = 4096;
constexpr std::size_t kTrailerLimit = 64 * base::kKibibyte;
constexpr std::uint64_t kExtensionAllowance = 16 * base::kKibibyte;
constexpr std::size_t kMostSizeDigits = 16;

}  // namespace

Http1BodyDecoder::Http1BodyDecoder(Http1Framing framing) : remaining_(framing.length) {
  switch (framing.kind) {
    case Http1Framing::Kind::kNone:
      state_ = State::kDone;
      break;
    case Http1Framing::Kind::kLength:
      state_ = remaining_ == 0 ? State::kDone : State::kLength;
      break;
    case Http1Framing::Kind::kChunked:
      state_ = State::kSize;
      break;
    case Http1Framing::Kind::kUntilClose:
      state_ = State::kUntilClose;
      break;
  }
}

bool Http1BodyDecoder::end_of_stream() {
  if (state_ == State::kUntilClose) state_ = State::kDone;
  return state_ == State::kDone;
}

std::uint64_t Http1BodyDecoder::data_ahead() const {
  if (state_ == State::kUntilClose) return std::numeric_limits<std::uint64_t>::max();
  return state_ == State::kLength || state_ == State::kData ? remaining_ : 0;
}

void Http1BodyDecoder::skip(std::uint64_t bytes) {
  if (state_ == State::kUntilClose) return;
  remaining_ -= bytes;
  if (remaining_ == 0) state_ = state_ == State::kLength ? State::kDone : State::kDataEnd;
}

std::string_view Http1BodyDecoder::next(std::string_view& bytes) {
  while (!bytes.empty() && state_ != State::kDone) {
    if (const std::uint64_t ahead = data_ahead(); ahead > 0) {
      const std::string_view piece =
          bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(ahead, bytes.size())));
      bytes.remove_prefix(piece.size());
      skip(piece.size());
      return piece;
    }
    const auto whole = line(bytes);
    if (!whole) return {};
    take_line(*whole);
    partial_.clear();
  }
  return {};
}

// A whole line without its end, put together from the parts it came in.
std::optional<std::string_view> Http1BodyDecoder::line(std::string_view& bytes) {
  const auto end = bytes.find('\n');
  const std::string_view part = bytes.substr(0, end);
  if (partial_.size() + part.size() > kBodyLineLimit) throw Http1Error("a line of a chunked body is too long");
  if (end == std::string_view::npos) {
    partial_ += part;
    bytes = {};
    return std::nullopt;
  }
  bytes.remove_prefix(end + 1);
  std::string_view whole = part;
  if (!partial_.empty()) {
    partial_ += part;
    whole = partial_;
  }
  if (!whole.ends_with('\r')) throw Http1Error("a line of a chunked body does not end in CRLF");
  whole.remove_suffix(1);
  return whole;
}

void Http1BodyDecoder::take_line(std::string_view line) {
  if (state_ == State::kSize) {
    take_size(line);
  } else if (state_ == State::kTrailers) {
    take_trailer(line);
  } else if (line.empty()) {
    state_ = State::kSize;
  } else {
    throw Http1Error("a chunk does not end where it should");
  }
}

void Http1BodyDecoder::take_size(std::string_view line) {
  std::string_view digits = line.substr(0, line.find(';'));
  digits = digits.substr(0, digits.find_last_not_of(" \t") + 1);
  const char* end = digits.data() + digits.size();
  const auto [at, ec] = std::from_chars(digits.data(), end, remaining_, 16);
  if (digits.empty() || digits.size() > kMostSizeDigits || ec != std::errc() || at != end)
    throw Http1Error("malformed chunk size");
  const std::string_view extension = line.substr(digits.size());
  if (!http1_is_field_value(extension)) throw Http1Error("malformed chunk extension");
  extensions_ += extension.size();
  if (extensions_ > data_ + kExtensionAllowance) throw Http1Error("too many chunk extensions");
  data_ += remaining_;
  state_ = remaining_ == 0 ? State::kTrailers : State::kData;
}

void Http1BodyDecoder::take_trailer(std::string_view line) {
  if (line.empty()) {
    state_ = State::kDone;
    return;
  }
  if (trailers_.size() + line.size() > kTrailerLimit) throw Http1Error("the trailers are too long");
  const auto colon = line.find(':');
  const bool is_field =
      colon != std::string_view::npos && http1_is_token(line.substr(0, colon)) && http1_is_field_value(line);
  if (!is_field) throw Http1Error("malformed trailer");
  trailers_ += line;
  trailers_ += "\r\n";
}

}  // namespace rivera::net
