// One try to get a response from a backend (docs/spec/routing.md §3.13).
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "gorouter/backends/backend_pool.h"
#include "gorouter/replies/failure.h"
#include "net/http1/http1.h"
#include "routing/route_pool.h"

namespace rivera::gorouter {

// One endpoint and one connection to it: connect(), send(), read_head() until has_final_head(), accept_response(), the
// body from reader(), keep_connection(). A retry is a new Attempt. Knows nothing of the client. Counts as an open
// request of its endpoint until accept_response(). Closes its connection when destroyed, unless that was kept.
//
// Lives on its worker's strand; used by one coroutine, which expire() and cancel() interrupt.
class Attempt {
 public:
  enum class Phase {
    kConnecting,
    kSending,       // the request's head is being written
    kAwaitingHead,  // the request's head is written; the final response head has not been accepted
    kReceiving,     // the response's body, or the bytes after a switch of protocols
  };
  enum class Interruption { kNone, kTimedOut, kCancelled };

  // `deadline`: when expire() ends the attempt; Instant::max() for never.
  Attempt(BackendPool& pool, const routing::PoolElement& element, Instant deadline);
  ~Attempt();
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  // Takes an idle connection or opens one. Throws net::DialError; boost::system::system_error (operation_aborted) if
  // the attempt was interrupted meanwhile.
  asio::awaitable<void> connect();
  // Writes the request's head and what goes with it. Throws boost::system::system_error.
  asio::awaitable<void> send(std::string_view bytes);
  // Reads the next response head into response(). Throws net::Http1Error for bytes that are no response or exceed a
  // limit
  // (`most_fields` 0: no limit) and at the 101st informational one, boost::system::system_error.
  asio::awaitable<void> read_head(std::size_t most_bytes, std::size_t most_fields);
  // True once response() is neither 1xx nor nothing; 101 is final.
  bool has_final_head() const { return response_.status >= 200 || response_.status == 101; }
  // The endpoint has answered: what follows is delivered.
  void accept_response();
  // Gives the connection to the pool. Only after a response that leaves the connection usable.
  void keep_connection(Instant now);
  void close();

  // Ends the attempt if its deadline is past; true if it is.
  bool expire(Instant now);
  // The attempt may take any time from here on.
  void lift_deadline() { deadline_ = Instant::max(); }
  // Ends the attempt: the client no longer waits for a response.
  void cancel();

  // Why the connection failed, by what was sent and received.
  Failure failure_of(const error_code& error, bool is_idempotent) const;

  // The client's disconnection matters: there is nothing to deliver yet.
  bool awaits_head() const { return phase_ == Phase::kSending || phase_ == Phase::kAwaitingHead; }
  Phase phase() const { return phase_; }
  Interruption interruption() const { return interruption_; }
  bool used_idle_connection() const { return connection_ && connection_->reused; }
  const routing::Endpoint& endpoint() const { return *endpoint_; }
  const net::Http1Response& response() const { return response_; }
  std::string_view response_head() const { return connection_->head; }
  // Present from connect() to keep_connection().
  const std::shared_ptr<BackendConnection>& connection() const { return connection_; }
  net::Http1Reader& reader() { return connection_->reader; }
  net::Stream& stream() { return *connection_->stream; }

 private:
  void interrupt(Interruption why);
  void stop_counting();

  BackendPool& pool_;
  std::shared_ptr<const routing::Endpoint> endpoint_;
  std::shared_ptr<int> open_requests_;  // the endpoint's counter, while this attempt is in it
  Instant deadline_;
  Phase phase_ = Phase::kConnecting;
  Interruption interruption_ = Interruption::kNone;
  std::shared_ptr<BackendConnection> connection_;
  int informational_ = 0;        // heads that were not final
  net::Http1Response response_;  // views into connection_->head
};

}  // namespace rivera::gorouter
