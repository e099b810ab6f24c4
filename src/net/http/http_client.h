// An HTTP/1.1 client with kept-alive connections, over TCP, TLS or a Unix socket.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/asio.h"
#include "net/http/http.h"
#include "net/stream/endpoint.h"
#include "net/stream/stream.h"
#include "net/stream/tls.h"

namespace rivera::net {

struct HttpClientOptions {
  std::optional<TlsContext> tls;                                        // required for https endpoints
  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(5);   // name, TCP and TLS together
  std::chrono::nanoseconds request_timeout = std::chrono::seconds(30);  // for a whole exchange; 0 = none
  std::chrono::nanoseconds idle_timeout = std::chrono::seconds(90);
  std::size_t max_idle_per_endpoint = 32;
  std::size_t response_limit = 1u << 30;  // bytes of a response body
};

// A response whose body is read as it comes. Owns its connection; destroying it before the end closes the connection.
class HttpIncoming {
 public:
  virtual ~HttpIncoming() = default;
  virtual const ResponseHead& head() const = 0;
  // 0 at the end of the body.
  virtual asio::awaitable<std::size_t> read_some(std::span<char> into) = 0;
  // The connection itself with what was read ahead, for protocols that go on after the head.
  virtual std::unique_ptr<Stream> take_over() = 0;
  virtual Stream& stream() = 0;
};

// Produces a request body piece by piece; an empty piece ends it.
using BodySource = std::function<asio::awaitable<std::string>()>;

// Used on its executor only (a strand or a single-threaded context). Destroying it closes idle connections.
class HttpClient {
 public:
  HttpClient(asio::any_io_executor executor, HttpClientOptions options = {});
  ~HttpClient();

  // Sends a request and reads the whole response. Host, Content-Length are set. A request on a kept-alive connection
  // that turns out closed before any byte of a response is sent again on a new one. Throws TransportError,
  // base::DeadlineExceeded.
  asio::awaitable<HttpResponse> send(Endpoint endpoint, HttpRequest request);
  // The same with another limit than the client's own (0 = none).
  asio::awaitable<HttpResponse> send(Endpoint endpoint, HttpRequest request, std::chrono::nanoseconds timeout);

  // Sends a request, returns after the response's head. The limit covers the head only.
  asio::awaitable<std::unique_ptr<HttpIncoming>> open(Endpoint endpoint, HttpRequest request);
  // The same with a chunked body from `body` (Content-Length is honoured if the request's headers hold one).
  asio::awaitable<std::unique_ptr<HttpIncoming>> open(Endpoint endpoint, RequestHead request, BodySource body);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace rivera::net
