// What can go wrong with a backend, what it means for the endpoint, and what the client is told (docs/spec/routing.md
// §3.13, §3.15). Pure.
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
  kIdempotentEof,      // nothing came, and nothing was asked that may not be asked twice
  kIncompleteRequest,  // the request's head did not get through
  kClientGone,
  kTimeout,
  kNoEndpoints,
  kOther,
};

struct Failure {
  FailureClass kind = FailureClass::kNone;
  std::string text;  // as Go words it: clients look for it
};

bool is_retryable(FailureClass kind);
// The endpoint is avoided for a while.
bool marks_failed(FailureClass kind);
// A TLS endpoint is taken out of its route: whoever answers there is not the one that was registered.
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
// The bytes that came are no response.
Failure malformed_response(const std::string& what);

struct FailureAnswer {
  int status = 502;
  std::string_view body;  // with its line end
};
FailureAnswer answer_to(FailureClass kind);

}  // namespace rivera::gorouter
