// Reading HTTP/1.1 messages from a stream and writing their heads. For the .cc files of this folder.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "net/http/http.h"
#include "net/stream/stream.h"

namespace rivera::net {

// The bytes are not an HTTP message, or its head is too large (then `status` is 431).
class MalformedMessage : public std::runtime_error {
 public:
  MalformedMessage(const std::string& message, int http_status) : std::runtime_error(message), status(http_status) {}
  int status;
};

// Reads one message after another from a stream: a head, then its body in pieces.
//
//   if (!co_await reader.read_request(stream, head)) ...   // the peer closed between messages
//   while (n = co_await reader.read_some_body(stream, buffer)) ...
//
// What was read past the end of a message is kept for the next one.
class MessageReader {
 public:
  explicit MessageReader(std::size_t header_limit);
  ~MessageReader();

  // Returns false at a clean end before the first byte. Throws MalformedMessage, boost::system::system_error.
  // `first_byte_seen` (optional) is called when the head has begun to arrive.
  asio::awaitable<bool> read_request(Stream& stream, RequestHead& into, std::function<void()> first_byte_seen);
  // `no_body`: an answer to HEAD. Informational answers (1xx but 101) are skipped.
  asio::awaitable<bool> read_response(Stream& stream, ResponseHead& into, bool no_body);
  // 0 at the end of the body.
  asio::awaitable<std::size_t> read_some_body(Stream& stream, std::span<char> into);

  bool body_complete() const;
  // Whether the connection may serve another message after this one.
  bool keep_alive() const;
  // True if any byte has been read since construction or the last complete message.
  bool has_input() const;
  // For waiting on the peer: reads ahead; false at the end of the stream.
  asio::awaitable<bool> read_ahead(Stream& stream);
  std::string take_read_ahead();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// "HTTP/1.1 200 OK\r\n...\r\n\r\n"
std::string format_head(const ResponseHead& head);
std::string format_head(const RequestHead& head);
// One piece of a chunked body; the last one for an empty piece.
std::string chunk_head(std::size_t size);

}  // namespace rivera::net
