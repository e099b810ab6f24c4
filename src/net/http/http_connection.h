// One server-side connection: requests in, handler calls, responses out. For the .cc files of this folder.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include <boost/asio/cancellation_signal.hpp>

#include "net/http/http_listener.h"
#include "net/http/http_server.h"
#include "net/http1/http1_reader.h"

namespace rivera::net {

// What all connections of a server share; read-only.
struct ConnectionSettings {
  HttpServerOptions options;
  HttpHandler handler;
  base::Logger logger;
  std::shared_ptr<HeadBudget> heads;
};

// Lives on its own strand; kept alive by its coroutine and by the server's table.
class HttpConnection {
 public:
  HttpConnection(asio::any_io_executor strand, std::shared_ptr<const ConnectionSettings> settings);
  ~HttpConnection();

  // Serves until the connection ends. `self` keeps the object alive.
  asio::awaitable<void> serve(std::shared_ptr<HttpConnection> self, AcceptedSocket socket);

  asio::cancellation_slot cancellation_slot() { return cancel_.slot(); }
  // From any thread: close now if idle, else after the running request.
  void finish_soon(std::shared_ptr<HttpConnection> self);
  // From any thread: since when no request is being handled; nullopt while one is.
  std::optional<std::chrono::steady_clock::time_point> waiting_since() const;
  // From any thread: end at once, unless a request is being handled.
  void end_if_waiting(std::shared_ptr<HttpConnection> self);
  // From any thread: end at once.
  void abort(std::shared_ptr<HttpConnection> self);

 private:
  friend class ConnectionExchange;
  asio::awaitable<void> serve_requests();
  // False: the connection is to be closed.
  asio::awaitable<bool> serve_one();
  // Reads a head into `head`. False at the end of the connection, and after a refusal.
  asio::awaitable<bool> read_head(RequestHead& head, Http1Framing& framing);
  asio::awaitable<void> refuse(int status, std::string reason);
  // Throws away the rest of the request's body; false if it is too long or the client withholds it.
  asio::awaitable<bool> drain(bool withheld);
  asio::awaitable<void> linger();
  void note_waiting() { waiting_since_ = std::chrono::steady_clock::now().time_since_epoch().count(); }
  // Before and after a write of so many bytes.
  void begin_write(std::size_t bytes);
  void end_write(std::size_t bytes);

  asio::any_io_executor strand_;
  std::shared_ptr<const ConnectionSettings> settings_;
  asio::cancellation_signal cancel_;
  std::unique_ptr<Stream> stream_;  // empty after a take-over
  Caller caller_;                   // empty if access control is not enforced
  Pace write_pace_;                 // of all responses
  bool idle_ = true;
  std::atomic<std::int64_t> waiting_since_;  // ticks of the steady clock; 0 while a request is being handled
  bool finishing_ = false;
  Http1Reader reader_;
  std::string head_bytes_;  // of the request that was read last
  Http1Request parsed_;     // views into head_bytes_
};

}  // namespace rivera::net
