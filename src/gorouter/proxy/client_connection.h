// One client's connection: serves its requests one after another.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "gorouter/proxy/data_plane.h"
#include "net/http1/http1_reader.h"
#include "net/stream/stream.h"

namespace rivera::gorouter {

class Exchange;

// Lives on its worker's strand; kept alive by its coroutine. There are no timers for single operations: tick(), called
// several times a second for every connection, enforces deadlines.
class ClientConnection {
 public:
  ClientConnection(DataPlane& plane, std::unique_ptr<net::Stream> stream);
  ~ClientConnection();

  // Returns when the connection has ended.
  asio::awaitable<void> serve(std::shared_ptr<ClientConnection> self);

  void tick(Instant now);
  // Closes an idle connection at once, any other after the current request.
  void finish();
  // Closes the connection at once.
  void abort();
  // A request is in progress, or a connection that is upgraded.
  bool has_request() const { return exchange_ != nullptr; }
  // When the last request ended, or the connection began.
  Instant idle_since() const { return idle_since_; }
  // A request is in progress; upgraded connections do not count.
  bool is_busy() const { return exchange_ != nullptr && !upgraded_; }

 private:
  friend class Exchange;
  asio::awaitable<bool> serve_one();
  asio::awaitable<void> refuse(int status, std::string what);
  void note_refusal(int status, std::string_view reason);
  std::string_view certificate_for_header();

  DataPlane& plane_;
  std::unique_ptr<net::Stream> stream_;
  net::Http1Reader reader_;
  std::string head_;           // of the current request
  net::Http1Request request_;  // views into head_
  std::string peer_;           // "10.0.0.1:41234"
  std::string peer_ip_;
  std::optional<std::string> certificate_;  // in one line; built on first use
  Exchange* exchange_ = nullptr;            // the current one
  Instant idle_since_;                      // the end of the last request
  Instant deadline_;                        // while idle or reading a head
  bool finishing_ = false;
  bool upgraded_ = false;
};

// "[::1]:80" -> "::1", "10.0.0.1:80" -> "10.0.0.1", "name" -> "name"
std::string_view host_without_port(std::string_view host);

}  // namespace rivera::gorouter
