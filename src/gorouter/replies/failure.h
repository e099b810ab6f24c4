// Failures of backends: what follows for the endpoint, and the response to the client (docs/spec/routing.md §3.13,
// §3.15). Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/asio.h"
#include "net/stream/dial.h"

namespace rivera::gorouter {

enum class FailureClass {
  kNone,
  kDial,
  kNotTls,
  kNameMismatch,
  kUntrusted,
  kExpired,
  kRemoteFailedCertificateCheck,
  kRemoteHandshake,
  kHandshakeTimeout,
  kResetOnRead,
  kIdempotentEof,      // end of stream before a response to an idempotent request
  kIncompleteRequest,  // the request's head could not be written
  kClientDisconnected,
  kTimeout,
  kNoEndpoints,
  kOther,
};

struct Failure {
  FailureClass kind = FailureClass::kNone;
  std::string text;  // in Go's words, which clients look for
};

bool is_retryable(FailureClass kind);
// Other endpoints are preferred for a while.
bool marks_failed(FailureClass kind);
// A TLS endpoint is removed from its route: the process at that address is not the registered instance.
bool prunes_tls_endpoint(FailureClass kind);

Failure failure_of_dial(const net::DialError& error, const std::string& address);

// What had happened on an established connection before it failed; the response's head had not arrived.
struct ConnectionState {
  bool request_head_written = false;
  bool is_idempotent = false;  // without body, and of a method or with a header that says so
  std::string local_address;
  std::string peer_address;
};
Failure failure_of_connection(const error_code& error, const ConnectionState& state);
// The backend's bytes are not an HTTP response.
Failure malformed_response(const std::string& what);

struct FailureAnswer {
  int status = 502;
  std::string_view body;  // with its line end
};
FailureAnswer answer_to(FailureClass kind);

}  // namespace rivera::gorouter
