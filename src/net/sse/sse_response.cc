#include "net/sse/sse_response.h"

#include <fmt/format.h>

#include "base/work/cancellation.h"
#include "net/http/http_heads.h"

namespace rivera::net {

asio::awaitable<std::unique_ptr<SseResponse>> SseResponse::begin(HttpExchange& exchange, ResponseHead head,
                                                                 std::chrono::nanoseconds write_limit) {
  const bool chunked = exchange.request().version >= 11;
  if (chunked) head.headers.set("Transfer-Encoding", "chunked");
  std::unique_ptr<SseResponse> response(new SseResponse(chunked));
  response->stream_ = co_await exchange.take_over(std::move(head));
  response->stream_->set_timeout(write_limit);
  co_return response;
}

asio::awaitable<void> SseResponse::write(const Events& events) {
  std::size_t size = 0;
  for (const auto& event : events) size += event->size();
  if (size == 0) co_return;
  std::string bytes;
  bytes.reserve(size + 24);
  if (chunked_) fmt::format_to(std::back_inserter(bytes), "{:x}\r\n", size);
  for (const auto& event : events) bytes += *event;
  if (chunked_) bytes += "\r\n";
  co_await stream_->write(bytes);
}

asio::awaitable<void> SseResponse::end() {
  if (!chunked_) co_return;
  co_await stream_->write(kLastChunk);
}

asio::awaitable<void> SseResponse::client_gone() {
  char ignored[256];
  for (;;) {
    try {
      const std::size_t n = co_await stream_->read_some(ignored);
      if (n == 0) co_return;
    } catch (const boost::system::system_error& e) {
      if (base::is_cancellation(e)) throw;
      // A client may be silent without end. The limit stays set: it is that of the writer beside this, too.
      if (e.code() != asio::error::timed_out) co_return;
    }
  }
}

}  // namespace rivera::net
