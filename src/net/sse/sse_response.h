// The server's side of a stream of server-sent events.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "net/http/http_server.h"

namespace rivera::net {

// An answer of unknown length that takes the connection over: chunked to an HTTP/1.1 client, bare bytes to an older
// one. The connection closes when this object is destroyed, and not before: keep it until the handler returns.
//
//   auto response = co_await SseResponse::begin(exchange, head, 60s);
//   co_await response->write(events);   // any number of times
//   co_await response->end();
//
// Used on the connection's executor. write() and end() one at a time; client_gone() beside them.
class SseResponse {
 public:
  // Sends `head` at once. Each write that takes longer than `write_limit` (0: no limit) fails with
  // asio::error::timed_out and breaks the connection. The request's body must have been read.
  static asio::awaitable<std::unique_ptr<SseResponse>> begin(HttpExchange& exchange, ResponseHead head,
                                                             std::chrono::nanoseconds write_limit);

  // Whole events as format_event() makes them. They leave together, as one chunk.
  using Events = std::vector<std::shared_ptr<const std::string>>;
  asio::awaitable<void> write(const Events& events);

  // Ends the stream cleanly: without it the client regards the stream as broken.
  asio::awaitable<void> end();

  // Returns when the client has closed its side or the connection breaks. What it sends meanwhile is discarded.
  asio::awaitable<void> client_gone();

 private:
  explicit SseResponse(bool chunked) : chunked_(chunked) {}

  bool chunked_;
  std::unique_ptr<Stream> stream_;
};

}  // namespace rivera::net
