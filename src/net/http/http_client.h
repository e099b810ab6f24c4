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
#include "net/stream/destination_policy.h"
#include "net/stream/endpoint.h"
#include "net/stream/stream.h"
#include "net/stream/tls.h"

namespace rivera::net {

struct HttpClientOptions {
  std::optional<TlsContext> tls;                                        // required for https endpoints
  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(5);   // name, TCP and TLS together
  std::chrono::nanoseconds request_timeout = std::chrono::seconds(30);  // for a whole exchange; 0 = none
  std::chrono::nanoseconds idle_timeout = std::chrono::seconds(90);     // then a timer closes the connection
  std::size_t max_idle_per_endpoint = 32;
  std::size_t max_idle = 4096;            // of all endpoints together
  std::size_t response_limit = 1u << 30;  // bytes of a response body
  // A server may take its time, or may have been stopped: its kernel keeps the connection either way. If the head of
  // a response, or more of a whole response, has not arrived for `quiet_limit` (0: unlimited), `still_answers` is
  // awaited with the address of the connection's peer, "10.0.0.1:8889". If it throws, the request fails with that.
  std::chrono::nanoseconds quiet_limit{0};
  std::function<asio::awaitable<void>(std::string peer_address)> still_answers = nullptr;
  DestinationPolicy destinations = {};  // a request to a denied one fails with DestinationDenied
};

// Nothing has arrived within the limit of Stream::set_timeout(). Reading may continue.
class ResponseStalled : public TransportError {
 public:
  explicit ResponseStalled(const std::string& message) : TransportError(message, true) {}
};

// A response whose body is read as it comes. Owns its connection; destroying it before the end closes the connection.
class HttpIncoming {
 public:
  virtual ~HttpIncoming() = default;
  virtual const ResponseHead& head() const = 0;
  // 0 at the end of the body. Throws TransportError if the connection breaks or the bytes are not HTTP's;
  // ResponseStalled where stream() has a time limit.
  virtual asio::awaitable<std::size_t> read_some(std::span<char> into) = 0;
  // The connection itself with what was read ahead, for protocols that continue after the head.
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

  // Sends a request and reads the whole response. Host and Content-Length are set.
  //
  // A kept-alive connection that its server has closed, the common case, is noticed before anything is written on it.
  // If one breaks later, before any byte of a response, the request is sent again on a new connection only if its
  // method is idempotent (GET, HEAD, PUT, DELETE, OPTIONS, TRACE) or no byte of it was written. So a POST never arrives
  // twice; it may fail with TransportError although the server could be reached, and the caller decides.
  //
  // Throws TransportError (its `sent` is false if no byte of the request was written), base::DeadlineExceeded.
  asio::awaitable<HttpResponse> send(Endpoint endpoint, HttpRequest request);
  // The same with another limit than the client's own (0 = none).
  asio::awaitable<HttpResponse> send(Endpoint endpoint, HttpRequest request, std::chrono::nanoseconds timeout);

  // Sends a request, returns after the response's head, as send(). The client's request_timeout covers all up to the
  // head, and nothing after it.
  asio::awaitable<std::unique_ptr<HttpIncoming>> open(Endpoint endpoint, HttpRequest request);
  // The same with a chunked body from `body` (Content-Length is honoured if the request's headers hold one), on a
  // connection of its own. request_timeout limits each wait for the server while the body is sent, then the time to the
  // head.
  asio::awaitable<std::unique_ptr<HttpIncoming>> open(Endpoint endpoint, RequestHead request, BodySource body);

  // Closes the idle connections to an endpoint, whose server is not to be trusted any more. Done by itself when a
  // response has not come in time: the name may lead to another server by now.
  void close_idle(const Endpoint& endpoint);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace rivera::net
