// The bodies of HTTP/1 messages, taken apart as their bytes come. Pure, as http1.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/http1/http1.h"

namespace rivera::net {

//   auto piece = decoder.next(bytes);   // `bytes` loses what was used; the piece is a view into it
//
// Chunk extensions are read and ignored (an upstream BBS ends each chunk's size with ';', docs/spec/bbs.md §3.3).
// Memory is bounded whatever comes: a line of a chunked body may have 4 KiB, all trailers 64 KiB; all extensions
// together may be 16 KiB longer than the data before them. Lines must end in CRLF: readers differ about a bare LF
// there.
class Http1BodyDecoder {
 public:
  // No body.
  Http1BodyDecoder() = default;
  explicit Http1BodyDecoder(Http1Framing framing);

  // The next part of the body's data; "" if `bytes` holds none (more) or the body is complete. Throws Http1Error.
  std::string_view next(std::string_view& bytes);
  bool complete() const { return state_ == State::kDone; }
  // The end of the stream: completes a body that is delimited by it; false if any other body is cut short.
  bool end_of_stream();
  // After a chunked body: its trailer fields, each "Name: value\r\n".
  const std::string& trailers() const { return trailers_; }

  // How many of the bytes that come next are data in any case. They need not pass through next(): skip() counts them.
  std::uint64_t data_ahead() const;
  void skip(std::uint64_t bytes);

 private:
  enum class State { kLength, kUntilClose, kSize, kData, kDataEnd, kTrailers, kDone };
  std::optional<std::string_view> line(std::string_view& bytes);
  void take_line(std::string_view line);
  void take_size(std::string_view line);
  void take_trailer(std::string_view line);

  State state_ = State::kDone;
  std::uint64_t remaining_ = 0;   // of the body or the chunk
  std::uint64_t data_ = 0;        // of all chunks so far
  std::uint64_t extensions_ = 0;  // likewise
  std::string partial_;           // a line of which only a part has come
  std::string trailers_;
};

}  // namespace rivera::net
