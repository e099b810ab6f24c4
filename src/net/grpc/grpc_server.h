// A gRPC server for unary calls, over TLS.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/asio.h"
#include "base/log/log.h"
#include "net/limits/client_limits.h"
#include "net/limits/connection_share.h"
#include "net/stream/access_control.h"
#include "net/stream/tls.h"

namespace rivera::net {

// Those of gRPC's status codes that the server itself uses.
enum class GrpcCode {
  kOk = 0,
  kDeadlineExceeded = 4,
  kResourceExhausted = 8,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
};

// One call. Its handler keeps it alive.
struct GrpcServerCall {
  std::string path;                                           // "/models.Locket/Lock"
  std::string message;                                        // encoded
  std::vector<std::pair<std::string, std::string>> metadata;  // names in lower case
  Caller caller;                                              // without roles if access control is not enforced
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  bool was_abandoned = false;  // the client has cancelled it, or its connection has ended

  bool is_late() const { return deadline <= std::chrono::steady_clock::now(); }
  bool is_cancelled() const { return was_abandoned || is_late(); }
  // "" if there is none of this name.
  std::string_view metadata_of(std::string_view name) const;
};

struct GrpcReply {
  int code = 0;              // gRPC's status code
  std::string text = {};     // of a status that is not 0
  std::string message = {};  // encoded; sent with status 0
};

// Serves one call, on the server's executor. It runs to its end, also when the call is cancelled. An exception is
// logged and answered with Internal.
using GrpcHandler = std::function<asio::awaitable<GrpcReply>(std::shared_ptr<const GrpcServerCall> call)>;

struct GrpcServerOptions {
  std::string address;  // "127.0.0.1:8891", ":8891", "[::1]:80"
  TlsContext tls;       // with the protocol "h2"
  AccessControl access = {};
  // handshake: to the first frame of HTTP/2. body: from a call's begin to the end of its message. write: what all
  // responses on a connection together may make the server wait. idle: not used, clients keep their connections.
  ClientLimits limits = {};
  std::size_t largest_message = 256u << 10;  // of a request, in bytes
  // Begun and not answered; further ones are refused. So many, too, whose handlers have not ended.
  std::size_t calls_of_connection = 256;
  std::size_t most_calls = 4096;                 // with their handlers, in all; further ones get ResourceExhausted
  std::size_t requests_limit = 64u << 20;        // bytes of messages that are not complete, in all
  std::size_t responses_limit = 256u << 20;      // bytes that clients have not taken yet, in all
  std::size_t connection_responses = 64u << 20;  // the same, of one connection
  std::size_t max_connections = connection_share(kClientShare, 10'000);
};

// HTTP/2 by nghttp2, which limits what a client makes the server do without asking for anything: streams that it resets
// at once, pings, settings, headers without end. What a connection holds in memory is bounded by the options, and given
// back at its end. Compressed messages and streams of messages are answered with Unimplemented.
//
// Everything happens on `executor`, which must run one thing at a time.
class GrpcServer {
 public:
  GrpcServer(asio::any_io_executor executor, GrpcServerOptions options, GrpcHandler handler, base::Logger logger);
  ~GrpcServer();

  // Binds, listens and accepts. Throws std::runtime_error("cannot listen on ADDRESS: ...").
  void start();
  // "127.0.0.1:41234": with the real port.
  std::string address() const;
  // Accepts no more calls, waits up to `grace` for the running ones, then ends the connections.
  asio::awaitable<void> stop(std::chrono::nanoseconds grace);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace rivera::net
