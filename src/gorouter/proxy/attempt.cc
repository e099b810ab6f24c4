#include "gorouter/proxy/attempt.h"

#include <boost/asio/error.hpp>

#include "base/work/cancellation.h"

namespace rivera::gorouter {
namespace {

constexpr int kMostInformational = 100;  // of one attempt

}  // namespace

Attempt::Attempt(BackendPool& pool, const routing::PoolElement& element, Instant deadline)
    : pool_(pool), endpoint_(element.endpoint), open_requests_(element.connections), deadline_(deadline) {
  ++*open_requests_;
}

Attempt::~Attempt() {
  close();
  stop_counting();
}

asio::awaitable<void> Attempt::connect() {
  connection_ = pool_.take_idle(*endpoint_, std::chrono::steady_clock::now());
  if (!connection_) connection_ = co_await pool_.connect(endpoint_);
  if (interruption_ != Interruption::kNone) base::throw_cancellation();
}

asio::awaitable<void> Attempt::send(std::string_view bytes) {
  phase_ = Phase::kSending;
  co_await connection_->stream->write(bytes);
  phase_ = Phase::kAwaitingHead;
}

asio::awaitable<void> Attempt::read_head(std::size_t most_bytes, std::size_t most_fields) {
  const bool got = co_await connection_->reader.read_head(*connection_->stream, connection_->head, most_bytes);
  if (!got) throw boost::system::system_error(asio::error::eof);
  net::parse_http1_response(connection_->head, response_);
  if (most_fields > 0 && response_.fields.size() > most_fields) throw net::Http1Error("too many response headers");
  if (!has_final_head() && ++informational_ > kMostInformational) {
    throw net::Http1Error("too many 1xx informational responses");
  }
}

void Attempt::accept_response() {
  phase_ = Phase::kReceiving;
  stop_counting();
}

void Attempt::keep_connection(Instant now) {
  pool_.give_back(std::exchange(connection_, nullptr), response_.fields.get("Keep-Alive"), now);
}

void Attempt::close() {
  if (connection_) connection_->stream->close();
}

bool Attempt::expire(Instant now) {
  if (now <= deadline_) return false;
  interrupt(Interruption::kTimedOut);
  return true;
}

void Attempt::cancel() { interrupt(Interruption::kCancelled); }

void Attempt::interrupt(Interruption why) {
  interruption_ = why;
  close();
}

void Attempt::stop_counting() {
  if (open_requests_) --*open_requests_;
  open_requests_.reset();
}

Failure Attempt::failure_of(const error_code& error, bool is_idempotent) const {
  ConnectionState state;
  state.request_head_written = phase_ != Phase::kConnecting && phase_ != Phase::kSending;
  state.is_idempotent = is_idempotent;
  if (connection_) state.local_address = connection_->stream->local_address();
  state.peer_address = endpoint_->address;
  return failure_of_connection(error, state);
}

}  // namespace rivera::gorouter
