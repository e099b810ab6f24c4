// A TCP server whose connections a test reads and writes byte by byte.
#pragma once

#include <cstdint>
#include <memory>

#include <boost/asio/ip/tcp.hpp>

#include "base/asio.h"
#include "net/stream/stream.h"
#include "routing/route_pool.h"

namespace rivera::gorouter {

class RawBackend {
 public:
  // Listens on a free port of 127.0.0.1.
  explicit RawBackend(asio::any_io_executor executor);

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  // As a route's pool holds it.
  routing::PoolElement element() const;
  asio::awaitable<std::unique_ptr<net::Stream>> accept();
  // A connection to this server: the client's end.
  asio::awaitable<std::unique_ptr<net::Stream>> connect();

 private:
  asio::ip::tcp::acceptor acceptor_;
};

}  // namespace rivera::gorouter
