// The kept-alive connections of a client. For the .cc files of this folder.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include <boost/asio/steady_timer.hpp>

#include "net/http1/http1_reader.h"
#include "net/stream/endpoint.h"

namespace rivera::net {

// A connection with what was read from it beyond the last message.
struct ClientConnection {
  std::unique_ptr<Stream> stream;
  Http1Reader reader;
  std::string head;            // of the response that was read last
  Http1Response response;      // views into `head`
  bool is_reused = false;      // it has served a request before
  bool may_be_reused = false;  // its server keeps it open after this response
};

// Connections that wait for a next request, each for at most `idle_timeout`. A timer closes those that have waited so
// long, and those that their servers have closed; then nothing is left of an endpoint that is no longer used.
//
// Used on its executor only; owned by a client, whose destructor calls close().
class ConnectionPool : public std::enable_shared_from_this<ConnectionPool> {
 public:
  struct Limits {
    std::chrono::nanoseconds idle_timeout;
    std::size_t per_endpoint;  // connections
    std::size_t in_all;
  };
  ConnectionPool(asio::any_io_executor executor, Limits limits);

  // The one used last that is still open and silent, or null.
  std::unique_ptr<ClientConnection> take(const Endpoint& endpoint);
  // Keeps it if it may be reused and there is room; else closes it. It must be open, and given back once.
  void give_back(const Endpoint& endpoint, std::unique_ptr<ClientConnection> connection);
  // Closes those to one endpoint.
  void drop(const Endpoint& endpoint);
  // Closes all, and keeps none from now on.
  void close();

  std::size_t size() const { return size_; }
  std::size_t endpoints() const { return idle_.size(); }

 private:
  using Instant = std::chrono::steady_clock::time_point;
  struct Idle {
    std::unique_ptr<ClientConnection> connection;
    Instant since;
  };
  bool is_usable(const Idle& idle, Instant now) const;
  void uncount(std::size_t connections);
  void sweep();
  void sweep_later();

  asio::steady_timer timer_;
  const Limits limits_;
  std::map<Endpoint, std::deque<Idle>> idle_;  // the latest last
  std::size_t size_ = 0;
  bool is_sweep_due_ = false;
  bool is_closed_ = false;
};

}  // namespace rivera::net
