// Server-sent events: framing for servers, parsing for clients.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/asio.h"
#include "base/units.h"
#include "net/http/http_client.h"

namespace rivera::net {

struct ServerSentEvent {
  std::string id;
  std::string name;
  std::string data;
};

// "id: ..\nevent: ..\ndata: ..\n\n"; a part that is empty is left out.
std::string format_event(const ServerSentEvent& event);

// Takes bytes as they come and gives whole events. Comments and unknown fields are skipped. Pure.
class SseParser {
 public:
  // An event may be as large as this.
  static constexpr std::size_t kLimit = std::size_t{128} << 20;

  // Throws std::length_error if the event that it has read in part is larger than the limit.
  void feed(std::string_view bytes);
  std::optional<ServerSentEvent> next();

 private:
  std::string buffer_;  // from at_ on: what has not been parsed
  std::size_t at_ = 0;
  ServerSentEvent current_;
};

// Reads events from a response. nullopt at a clean end of the stream; throws TransportError if it breaks, and
// std::length_error for an event without an end.
class SseReader {
 public:
  explicit SseReader(std::unique_ptr<HttpIncoming> response) : response_(std::move(response)), buffer_(kReadSize) {}
  // After ResponseStalled it may be called again: nothing is lost.
  asio::awaitable<std::optional<ServerSentEvent>> next();
  // Of the response.
  Stream& stream() { return response_->stream(); }

 private:
  static constexpr std::size_t kReadSize = 16 * base::kKibibyte;
  std::unique_ptr<HttpIncoming> response_;
  std::vector<char> buffer_;
  SseParser parser_;
};

}  // namespace rivera::net
