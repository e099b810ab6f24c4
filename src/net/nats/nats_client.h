// A client of NATS core messaging (docs/spec/routing.md §4).
//
// Written on this folder's own streams rather than over the C client library: that one runs a thread for each
// connection and subscription, copies every message, may block a caller that publishes, and does not compare a server's
// address with the addresses in its certificate. A router takes 100,000 registrations in one go; here they are handed
// to the table in place.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/asio.h"
#include "base/log/log.h"
#include "net/stream/tls.h"

namespace rivera::net {

// No server could be reached or it refused us; or there is no room to keep what was published while disconnected.
class NatsError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A message as it arrives; the views are valid during the handler's call only.
struct NatsMessage {
  std::string_view subject;
  std::string_view reply;
  std::string_view payload;
};

enum class NatsEvent {
  kDisconnected,  // the client is looking for a server again
  kReconnected,   // subscriptions are in place; what was published meanwhile follows
  kClosed,        // permanently: a server refused our credentials twice, or close() was called
};

struct NatsClientOptions {
  std::vector<std::string> servers;  // "host:port"; tried in random order, with those that they announce
  std::string user;
  std::string password;
  std::string name;
  std::optional<TlsContext> tls;                                       // set: every connection must be TLS
  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(2);  // for each server
  std::chrono::nanoseconds reconnect_wait = std::chrono::milliseconds(500);
  std::chrono::nanoseconds reconnect_jitter{0};  // a random part of it is added to each wait
  std::chrono::nanoseconds ping_interval = std::chrono::seconds(20);
  int max_pings_out = 2;                 // unanswered ones; one more and the connection is given up
  std::size_t output_limit = 8u << 20;   // bytes kept while there is no connection, or while it is slow
  std::size_t payload_limit = 8u << 20;  // of a message that arrives
  // Called on the client's executor, after the fact. `server` is "host:port".
  std::function<void(NatsEvent event, const std::string& server)> on_event;
};

// Keeps a subscription; its destructor ends it.
class NatsSubscription {
 public:
  NatsSubscription() = default;
  ~NatsSubscription() { reset(); }
  NatsSubscription(NatsSubscription&& other) noexcept : end_(std::exchange(other.end_, nullptr)) {}
  NatsSubscription& operator=(NatsSubscription&& other) noexcept {
    reset();
    end_ = std::exchange(other.end_, nullptr);
    return *this;
  }
  void reset() {
    if (auto end = std::exchange(end_, nullptr)) end();
  }

 private:
  friend class NatsClient;
  explicit NatsSubscription(std::function<void()> end) : end_(std::move(end)) {}
  std::function<void()> end_;
};

// One connection, kept up until close(): after connect() has succeeded once, a lost connection is made again with any
// of the servers, and every subscription with it. Delivery is at most once, in order.
//
// Lives on `executor` (a strand or a single-threaded context) and is used there only. Call close() before the end.
class NatsClient {
 public:
  NatsClient(asio::any_io_executor executor, NatsClientOptions options, base::Logger logger);
  ~NatsClient();
  NatsClient(const NatsClient&) = delete;
  NatsClient& operator=(const NatsClient&) = delete;

  // One pass over the servers. Throws NatsError with the last failure.
  asio::awaitable<void> connect();
  bool is_connected() const;
  // "host:port" of the connection, or of the last one.
  std::string server() const;

  using Handler = std::function<void(const NatsMessage&)>;
  // `subject` may hold the wildcards "*" and ">". `handler` is called for each message and must be quick; what it
  // throws is logged. `max_messages` > 0: the subscription ends by itself after so many. Throws std::invalid_argument.
  [[nodiscard]] NatsSubscription subscribe(std::string subject, Handler handler, std::uint64_t max_messages = 0);

  // Queues a message: it is on its way when the event loop turns. Throws NatsError if `output_limit` would be passed,
  // std::invalid_argument for a bad subject.
  void publish(std::string_view subject, std::string_view payload, std::string_view reply = {});
  // Returns when less than half of `output_limit` is waiting to be sent: for those who publish a lot.
  asio::awaitable<void> writable();
  // Returns when the server has taken in everything published before. Throws NatsError, base::DeadlineExceeded.
  asio::awaitable<void> flush(std::chrono::nanoseconds timeout);
  // Publishes and gives the payload of the first answer. Throws base::DeadlineExceeded.
  asio::awaitable<std::string> request(std::string subject, std::string payload, std::chrono::nanoseconds timeout);

  // Sends what is queued (for a second at most) and ends the connection.
  asio::awaitable<void> close();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace rivera::net
