// Closed-loop load over mutual TLS: a fixed number of kept-alive connections, each sending its next request as soon as
// it has its answer.
//
// Written straight on sockets, epoll and OpenSSL: server and load share the machine's cores, so what a request costs
// here is kept far below what it costs there.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/stream/tls.h"

namespace rivera::bench {

struct LoadRequest {
  std::string_view path;
  std::string body;  // protobuf
};

struct LoadResult {
  double seconds = 0;
  std::vector<double> latencies;  // milliseconds, sorted
  std::uint64_t bytes = 0;        // of response bodies

  double rate() const { return static_cast<double>(latencies.size()) / seconds; }
  // `share` from 0 to 1.
  double percentile(double share) const;
};

class LoadClient {
 public:
  // Connects. `address` is "127.0.0.1:1234".
  LoadClient(const std::string& address, const net::TlsFiles& tls, int connections);
  ~LoadClient();

  // Sends `count` requests, made by `make(n)` just before each is sent; n counts from 0. Throws std::runtime_error on
  // any other answer than a 200 without an error in it.
  LoadResult run(std::size_t count, const std::function<LoadRequest(std::size_t)>& make);

 private:
  struct Connection;
  void begin(Connection& connection, const std::function<LoadRequest(std::size_t)>& make);
  bool advance(Connection& connection, LoadResult& result);

  std::string host_;
  void* context_ = nullptr;  // SSL_CTX
  int epoll_ = -1;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::size_t next_ = 0, wanted_ = 0;
};

}  // namespace rivera::bench
