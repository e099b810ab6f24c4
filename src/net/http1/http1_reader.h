// Heads and bodies of HTTP/1 messages, one after another, from a stream.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/asio.h"
#include "net/http1/http1_body.h"
#include "net/limits/head_budget.h"
#include "net/stream/stream.h"

namespace rivera::net {

// Owns what was read from a stream and not yet used; the stream is passed in. Holds at most one head of the allowed
// size, or 64 KiB of a body.
//
//   while (co_await reader.read_head(stream, head, limit)) {
//     parse_http1_request(head, request);
//     reader.begin_body(framing_of(request));
//     for (auto piece = co_await reader.read_body(stream); !piece.empty(); piece = co_await reader.read_body(stream))
//     ...
//   }
class Http1Reader {
 public:
  // Before the first head: what this reader may take for heads that are larger than usual.
  void use_budget(std::shared_ptr<HeadBudget> budget) { reservation_.use(std::move(budget)); }

  // Returns when there are unused bytes, at once if there are some already. False at the end of the stream.
  asio::awaitable<bool> wait_for_input(Stream& stream);

  // Reads a head into `head`, which keeps its capacity. False at a clean end before its first byte. Throws Http1Error
  // (431 above `limit` bytes, and when the budget for heads is used up), boost::system::system_error (eof if it is cut
  // short).
  asio::awaitable<bool> read_head(Stream& stream, std::string& head, std::size_t limit);

  // The body that follows the head read last.
  void begin_body(Http1Framing framing) { body_ = Http1BodyDecoder(framing); }
  // The next piece, valid until the next call; "" at the end of the body. Throws as read_head().
  asio::awaitable<std::string_view> read_body(Stream& stream);
  // The same without waiting: "" if nothing is there at the moment.
  std::string_view buffered_body();
  // The same into memory of the caller's, without a copy where much is expected. 0 at the end of the body.
  asio::awaitable<std::size_t> read_some(Stream& stream, std::span<char> into);
  // Appends the rest of the body to `into`. False as soon as `into` would have more than `limit` bytes.
  asio::awaitable<bool> read_whole_body(Stream& stream, std::string& into, std::size_t limit);
  bool body_complete() const { return body_.complete() && pending_.empty(); }
  const std::string& trailers() const { return body_.trailers(); }

  // Bytes are left that belong to no message read so far.
  bool has_leftover() const { return begin_ < end_; }
  std::string take_leftover();
  // Reads once, whatever comes, up to 64 KiB in all: to notice the peer's end while nothing is expected of it. False at
  // the end of the stream, and when so much has arrived.
  asio::awaitable<bool> read_ahead(Stream& stream);
  // Releases memory while nothing is expected for long, also that of the last head if it is not needed.
  void shrink();
  void shrink(std::string& head);

 private:
  [[noreturn]] void refuse_head(const char* why);
  void release_buffer();
  asio::awaitable<bool> fill(Stream& stream);
  asio::awaitable<bool> fill_body(Stream& stream);
  std::string_view unread() const { return {buffer_.get() + begin_, end_ - begin_}; }

  HeadReservation reservation_;  // first: given back when the memory is free
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  Http1BodyDecoder body_;
  std::string_view pending_;  // of the body: taken out of the buffer by read_some(), not given yet
};

}  // namespace rivera::net
