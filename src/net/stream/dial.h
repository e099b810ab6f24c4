// Making one connection to an address, with the exact reason where that fails: for proxies, which decide by it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "base/asio.h"
#include "net/stream/destination_policy.h"
#include "net/stream/stream.h"
#include "net/stream/tls.h"
#include "net/stream/tls_failure.h"

namespace rivera::net {

struct DialTarget {
  std::string host;  // a name or an address
  std::uint16_t port = 0;
  std::optional<TlsContext> tls;
  std::string server_name;                                             // for TLS; "" = host
  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(5);  // name look-up and TCP together
  std::chrono::nanoseconds handshake_timeout = std::chrono::seconds(10);
  DestinationPolicy destinations;  // a denied one is a failure to connect, destination_denied()
};

class DialError : public std::runtime_error {
 public:
  enum class Stage { kConnect, kHandshake };
  DialError(const std::string& message, Stage at, error_code ec, bool was_timeout, TlsFailure tls_failure)
      : std::runtime_error(message), stage(at), code(ec), timed_out(was_timeout), tls(tls_failure) {}
  Stage stage;
  error_code code;  // meaningless if timed out
  bool timed_out;
  TlsFailure tls;  // of the handshake; kOther if it was not TLS that failed
};

// The addresses of a name are tried beside one another, handshake included. Throws DialError of the last one;
// boost::system::system_error (operation_aborted) only if the caller is cancelled.
asio::awaitable<std::unique_ptr<Stream>> dial(DialTarget target);

}  // namespace rivera::net
