#include "gorouter/proxy/request_body.h"

#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>

#include "base/units.h"
#include "gorouter/replies/headers.h"

namespace rivera::gorouter {
namespace {

// Of a body that is not forwarded, to keep the connection.
constexpr std::uint64_t kMostDiscarded = 256 * base::kKibibyte;

void append_chunk(std::string& out, std::string_view piece) {
  fmt::format_to(std::back_inserter(out), "{:x}\r\n", piece.size());
  out.append(piece).append("\r\n");
}

}  // namespace

RequestBody::RequestBody(asio::any_io_executor executor, net::Stream& client, net::Http1Reader& reader,
                         net::Http1Framing framing)
    : executor_(std::move(executor)),
      client_(client),
      reader_(reader),
      chunked_(framing.kind == net::Http1Framing::Kind::kChunked) {}

bool RequestBody::is_forwarded() const {
  if (progress_ == Progress::kNotStarted) return !is_pending();  // an empty body goes out with each head
  return progress_ == Progress::kForwarded;
}

void RequestBody::append_end(std::string& out) const { append_last_chunk(out, reader_.trailers()); }

void RequestBody::append_buffered(std::string& out) {
  for (;;) {
    std::string_view piece;
    try {
      piece = reader_.buffered_body();
    } catch (const net::Http1Error&) {
      fault_ = Fault::kMalformed;
      throw;
    }
    if (piece.empty()) break;
    progress_ = Progress::kStarted;
    received_ += piece.size();
    if (chunked_) {
      append_chunk(out, piece);
    } else {
      out += piece;
    }
  }
  if (is_pending()) return;
  if (chunked_) append_end(out);
  if (progress_ == Progress::kStarted) progress_ = Progress::kForwarded;
}

void RequestBody::start_forwarding(std::shared_ptr<BackendConnection> backend) {
  progress_ = Progress::kStarted;
  backend_ = std::move(backend);
  start_pump(Pump::kForwarding);
}

void RequestBody::stop_forwarding() {
  if (pump_ == Pump::kForwarding) pump_ = Pump::kDiscarding;
  backend_.reset();
}

asio::awaitable<void> RequestBody::discard_rest() {
  stop_forwarding();
  if (!is_moving()) start_pump(Pump::kDiscarding);
  co_await stopped();
}

asio::awaitable<void> RequestBody::stopped() {
  while (is_moving()) co_await pump_stopped_->wait();
}

void RequestBody::start_pump(Pump mode) {
  if (!pump_stopped_) pump_stopped_.emplace(executor_);
  pump_ = mode;
  asio::co_spawn(executor_, pump(), [this](std::exception_ptr) {
    pump_ = Pump::kStopped;
    pump_stopped_->notify_all();
  });
}

// Its owner awaits stopped(). Faults of either side are for the owner to find.
asio::awaitable<void> RequestBody::pump() {
  try {
    for (;;) {
      const std::string_view piece = co_await reader_.read_body(client_);
      received_ += piece.size();
      if (pump_ == Pump::kForwarding) {
        co_await forward(piece);
      } else {
        discarded_ += piece.size();
        if (discarded_ > kMostDiscarded) co_return;
      }
      if (piece.empty()) co_return;
    }
  } catch (const net::Http1Error&) {
    fault_ = Fault::kMalformed;
  } catch (const boost::system::system_error&) {
    fault_ = Fault::kDisconnected;
  }
  if (pump_ == Pump::kForwarding) backend_->stream->close();
}

// One piece, or for "" the end of the body.
asio::awaitable<void> RequestBody::forward(std::string_view piece) {
  const std::shared_ptr<BackendConnection> backend = backend_;  // stop_forwarding() may be called while this writes
  std::string framed;
  if (chunked_ && piece.empty()) append_end(framed);
  if (chunked_ && !piece.empty()) append_chunk(framed, piece);
  const std::string_view bytes = chunked_ ? std::string_view(framed) : piece;
  try {
    if (!bytes.empty()) co_await backend->stream->write(bytes);
    if (piece.empty()) progress_ = Progress::kForwarded;
  } catch (const boost::system::system_error&) {
    stop_forwarding();
  }
}

}  // namespace rivera::gorouter
