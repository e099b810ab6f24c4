// The listeners and the connections of one worker. Includes Asio's sockets: for .cc files only.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "gorouter/proxy/client_connection.h"
#include "gorouter/proxy/data_plane.h"
#include "net/http/http_listener.h"
#include "net/limits/connection_share.h"
#include "net/stream/tls.h"

namespace rivera::gorouter {

// Lives on its worker's strand; co_await stop(), or drain() and then stop(), before it is destroyed.
class Frontend {
 public:
  explicit Frontend(DataPlane& plane);
  ~Frontend();

  // Binds the configured listeners and starts to accept. Throws std::runtime_error.
  void open();
  // "127.0.0.1:8081"; "" if that listener is not configured.
  std::string http_address() const;
  std::string https_address() const;

  // Closes the listeners and the idle connections, and every other connection after its request. Returns true when no
  // request is left, false after `limit`.
  asio::awaitable<bool> drain(std::chrono::nanoseconds limit);
  // Closes everything at once.
  asio::awaitable<void> stop();

 private:
  asio::awaitable<void> accept(net::HttpListener& listener, bool tls);
  asio::awaitable<void> make_room();
  asio::awaitable<void> handshake(net::TcpSocket socket);
  void adopt(std::unique_ptr<net::Stream> stream);
  asio::awaitable<void> tick();
  void close_listeners();
  bool any_busy() const;

  DataPlane& plane_;
  const std::size_t most_connections_;
  std::chrono::steady_clock::time_point last_notice_{};
  std::optional<net::TlsContext> tls_;
  std::unique_ptr<net::HttpListener> http_;
  std::unique_ptr<net::HttpListener> https_;
  std::unordered_map<std::uint64_t, std::shared_ptr<ClientConnection>> connections_;
  std::uint64_t next_id_ = 0;
  std::size_t open_handshakes_ = 0;
  bool closed_ = false;
  base::Condition changed_;
  base::TaskGroup tasks_;
};

}  // namespace rivera::gorouter
