// Heads and bodies of HTTP/1 messages, one after another, from a stream.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/asio.h"
#include "net/http1/http1.h"
#include "net/stream/stream.h"

namespace rivera::net {

// Owns what was read from a stream and not yet used; the stream is passed in. Body pieces are handed out in place.
class Http1Reader {
 public:
  // Reads a head into `head`, which keeps its capacity. False at a clean end before its first byte. Throws Http1Error
  // (431 above `limit` bytes), boost::system::system_error (eof if it is cut short).
  asio::awaitable<bool> read_head(Stream& stream, std::string& head, std::size_t limit);

  void begin_body(Http1Framing framing) { body_ = Http1BodyDecoder(framing); }
  // The next piece, valid until the next call; "" at the end of the body. Throws as read_head().
  asio::awaitable<std::string_view> read_body(Stream& stream);
  // The same without waiting: "" if nothing is there at the moment.
  std::string_view buffered_body();
  bool body_complete() const { return body_.complete(); }
  const std::string& trailers() const { return body_.trailers(); }

  // Bytes are left that belong to no message read so far.
  bool has_leftover() const { return begin_ < end_; }
  std::string take_leftover();
  // Gives memory back while nothing is expected for long.
  void shrink();

 private:
  asio::awaitable<bool> fill(Stream& stream);
  std::string_view unread() const { return {buffer_.get() + begin_, end_ - begin_}; }

  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  Http1BodyDecoder body_;
};

}  // namespace rivera::net
