// An HTTP/1.1 server over TCP, TLS or a Unix socket.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>

#include "base/asio.h"
#include "base/log/log.h"
#include "net/http/http.h"
#include "net/limits/client_limits.h"
#include "net/limits/connection_share.h"
#include "net/limits/head_budget.h"
#include "net/stream/access_control.h"
#include "net/stream/stream.h"
#include "net/stream/tls.h"

namespace rivera::net {

// A body larger than the reader accepts. The server answers 413.
class BodyTooLarge : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// One request being served. Lives on its connection's executor; a reference is valid until the handler returns.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;

  virtual const RequestHead& request() const = 0;
  // Who is at the other end.
  virtual const Stream& stream() const = 0;
  // Whether the peer may call a route that is for `callers` (HttpServerOptions::access). If not, it is logged.
  virtual bool may_call(RoleBits callers, std::string_view route) const = 0;
  // Empty if the server's access control is not enforced.
  virtual const Caller& caller() const = 0;

  // Reads the whole body, all of it within ClientLimits::body. Throws BodyTooLarge above `limit` bytes.
  virtual asio::awaitable<std::string> read_body(std::size_t limit) = 0;
  // Reads some of the body; 0 at its end. For bodies that are handled as they come: ClientLimits::body limits what the
  // client makes us wait, ClientLimits::transfer the time to the end of the body.
  virtual asio::awaitable<std::size_t> read_some_body(std::span<char> into) = 0;

  // Sends a whole response: Content-Length is set from the body.
  virtual asio::awaitable<void> respond(HttpResponse response) = 0;

  // Sends a head, then any number of body pieces, each flushed. Without a Content-Length in `head` the body is sent
  // chunked (to an HTTP/1.0 client: until the connection closes).
  virtual asio::awaitable<void> begin_response(ResponseHead head) = 0;
  virtual asio::awaitable<void> write_body(std::string_view piece) = 0;
  virtual asio::awaitable<void> end_response() = 0;
  virtual bool response_begun() const = 0;

  // Returns when the client has closed its side or the connection breaks, or when the client has sent 64 KiB more
  // meanwhile. Only after the whole request body was read, and while nothing else reads.
  virtual asio::awaitable<void> client_gone() = 0;

  // Writes `head` exactly as given (no Content-Length or Transfer-Encoding added) and hands over the connection,
  // bytes read ahead included. The server does not touch it afterwards.
  virtual asio::awaitable<std::unique_ptr<Stream>> take_over(ResponseHead head) = 0;
};

// Serves one request. If it returns without a response the server answers 500; if it throws before one has begun, 500
// with a short text (413 for BodyTooLarge); after one has begun, the connection is aborted.
using HttpHandler = std::function<asio::awaitable<void>(HttpExchange&)>;

// A request that could not be read, and was answered without a handler.
struct RefusedRequest {
  int status = 400;
  std::string reason;
  std::string peer;  // "10.0.0.1:41234"; "" on a Unix socket
};

struct HttpServerOptions {
  // "127.0.0.1:8889", ":8889" or "0.0.0.0:8889", "[::1]:80", or "unix:/path" (an old socket file is removed).
  std::string address;
  unsigned unix_mode = 0777;  // permission bits of the socket file
  std::optional<TlsContext> tls;
  AccessControl access = {};  // decides what HttpExchange::may_call() says
  ClientLimits limits = {};
  std::size_t header_limit = 1u << 20;             // bytes of a request's head
  std::size_t heads_limit = HeadBudget::kDefault;  // bytes of all heads that are larger than usual and not complete
  // Above it, those that have been idle for the longest time are closed; if none is, further ones wait in the kernel's
  // queue. By default a share of the descriptors that the process may have (net/limits/connection_share.h).
  std::size_t max_connections = connection_share(kClientShare, 20'000);
  // Called for each refused request, for an access log; on the connection's strand. Empty: the server logs it itself.
  std::function<void(const RefusedRequest&)> on_refused = nullptr;
};

// Each connection has its own strand of `executor`'s context, so that the server may be run by several threads;
// handlers that need a home strand switch to it themselves.
class HttpServer {
 public:
  HttpServer(asio::any_io_executor executor, HttpServerOptions options, HttpHandler handler, base::Logger logger);
  ~HttpServer();

  // Binds and listens. Throws std::runtime_error("cannot listen on ADDRESS: ...").
  void listen();
  // Starts to accept what listen() bound.
  void start();
  // The bound address with the real port, "127.0.0.1:41234".
  std::string address() const;
  // Stops accepting, closes idle connections, waits up to `grace` for running requests, then aborts them.
  asio::awaitable<void> stop(std::chrono::nanoseconds grace);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace rivera::net
