// Connections to backends, kept alive between requests (docs/spec/routing.md §3.13).
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "gorouter/settings/config.h"
#include "net/http1/http1_reader.h"
#include "net/stream/dial.h"
#include "net/stream/stream.h"
#include "net/stream/tls.h"
#include "routing/endpoint.h"

namespace rivera::gorouter {

using routing::Instant;

// A connection and the bytes that have been read ahead on it.
struct BackendConnection {
  std::string key;  // the address and TLS name it may be used for
  std::unique_ptr<net::Stream> stream;
  net::Http1Reader reader;
  std::string head;  // of the current response
  Instant idle_since;
  std::chrono::nanoseconds idle_limit{0};
  bool is_idle = false;  // in the pool
  bool reused = false;
};

// Idle connections are shared by all routes to the same address and TLS name. Lives on its worker's strand.
class BackendPool {
 public:
  // Throws std::runtime_error if the certificates in `config` cannot be used.
  explicit BackendPool(const Config& config);
  ~BackendPool();

  // An idle connection on which nothing has arrived; null if there is none.
  std::shared_ptr<BackendConnection> take_idle(const routing::Endpoint& endpoint, Instant now);
  // Throws net::DialError.
  asio::awaitable<std::shared_ptr<BackendConnection>> connect(std::shared_ptr<const routing::Endpoint> endpoint);
  // Keeps a connection for the next request, if the limits allow. `keep_alive`: the value of the response's Keep-Alive
  // field ("timeout=5"), or "". It must be given back once.
  void give_back(std::shared_ptr<BackendConnection> connection, std::string_view keep_alive, Instant now);

  // Closes the idle connections to an address whose endpoint is no longer registered.
  void close_idle(const std::string& address);
  // Closes what has been idle for too long, and what its backend has closed.
  void sweep(Instant now);

  std::size_t idle() const { return idle_count_; }
  // What the heads of responses take that are larger than usual and not complete.
  const net::HeadBudget& heads() const { return *heads_; }

 private:
  static std::string key_of(const routing::Endpoint& endpoint);
  void uncount(std::size_t connections);

  const Config& config_;
  std::optional<net::TlsContext> tls_;
  std::unordered_map<std::string, std::vector<std::shared_ptr<BackendConnection>>> idle_;  // by key; the latest last
  std::size_t idle_count_ = 0;
  std::shared_ptr<net::HeadBudget> heads_ = std::make_shared<net::HeadBudget>();  // of all backends
};

}  // namespace rivera::gorouter
