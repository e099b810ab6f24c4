// Where a server is, and a connection to it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "base/asio.h"
#include "net/stream/destination_policy.h"
#include "net/stream/stream.h"
#include "net/stream/tls.h"

namespace rivera::net {

// Where to connect: "https://bbs.service.cf.internal:8889", "http://127.0.0.1:8080", "unix:/var/run/garden.sock".
struct Endpoint {
  bool tls = false;
  std::string host;  // name or address, or the socket's path if `is_unix`
  std::uint16_t port = 0;
  bool is_unix = false;
  std::string server_name;  // the name the server's certificate must carry, if not `host`

  // Throws std::invalid_argument naming the text.
  static Endpoint parse(std::string_view url);
  // A URL split into its endpoint and its target ("/path?query").
  static std::pair<Endpoint, std::string> parse_url(std::string_view url);
  std::string host_header() const;
  std::string text() const;
  auto operator<=>(const Endpoint&) const = default;
};

// No connection could be made, or it broke before a whole response had come. `sent` tells whether the request may have
// reached the server.
class TransportError : public std::runtime_error {
 public:
  TransportError(const std::string& message, bool was_sent) : std::runtime_error(message), sent(was_sent) {}
  bool sent;
};

// The client may not connect there. Trying again does not help.
class DestinationDenied : public TransportError {
 public:
  explicit DestinationDenied(const std::string& message) : TransportError(message, false) {}
};

// A connection, with TLS where the endpoint asks for it: `timeout` is for the name, TCP and TLS together. The addresses
// of a name are tried beside one another (connect_first.h). Throws TransportError; DestinationDenied
// where `destinations` leaves none.
asio::awaitable<std::unique_ptr<Stream>> connect(Endpoint endpoint, std::optional<TlsContext> tls,
                                                 std::chrono::nanoseconds timeout, DestinationPolicy destinations = {});

}  // namespace rivera::net
