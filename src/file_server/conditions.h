// What a GET's conditional and range headers ask of a file (RFC 9110 §13, §14). Pure.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/http/http.h"

namespace rivera::file_server {

// A file as far as conditions look at it.
struct FileVersion {
  std::string etag;  // with quotes
  std::time_t modified = 0;
  std::uint64_t size = 0;
};

struct ByteRange {
  std::uint64_t start = 0;
  std::uint64_t length = 0;
  bool operator==(const ByteRange&) const = default;
};

struct Verdict {
  enum class Kind { kWhole, kPartial, kNotModified, kPreconditionFailed, kNoOverlap, kInvalidRange };
  Kind kind = Kind::kWhole;
  std::vector<ByteRange> ranges;  // of kPartial: one or more
};

Verdict judge(const net::Headers& request, const FileVersion& file);

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string format_http_date(std::time_t time);
// Any of the three forms that HTTP knows; nullopt if it is none.
std::optional<std::time_t> parse_http_date(std::string_view text);

// The media type that a file's name says, else what its first bytes look like.
std::string content_type(std::string_view name, std::string_view first_bytes);

}  // namespace rivera::file_server
