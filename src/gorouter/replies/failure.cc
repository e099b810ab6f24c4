#include "gorouter/replies/failure.h"

#include <boost/asio/error.hpp>
#include <fmt/format.h>

namespace rivera::gorouter {
namespace {

// The errno texts as Go prints them: lower case.
std::string reason(const error_code& error) {
  if (error == asio::error::connection_refused) return "connection refused";
  if (error == asio::error::connection_reset) return "connection reset by peer";
  if (error == asio::error::broken_pipe) return "broken pipe";
  if (error == asio::error::host_unreachable) return "no route to host";
  if (error == asio::error::network_unreachable) return "network is unreachable";
  if (error == asio::error::host_not_found || error == asio::error::no_data) return "no such host";
  std::string text = error.message();
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] + ('a' - 'A'));
  return text;
}

Failure failure_of_handshake(const net::DialError& error) {
  if (error.timed_out) return {FailureClass::kHandshakeTimeout, "net/http: TLS handshake timeout"};
  switch (error.tls) {
    case net::TlsFailure::kNotTls:
      return {FailureClass::kNotTls, "tls: first record does not look like a TLS handshake"};
    case net::TlsFailure::kNameMismatch:
      return {FailureClass::kNameMismatch, "x509: certificate is not valid for the expected name"};
    case net::TlsFailure::kUntrusted:
      return {FailureClass::kUntrusted, "x509: certificate signed by unknown authority"};
    case net::TlsFailure::kExpired:
      return {FailureClass::kExpired, "x509: certificate has expired or is not yet valid"};
    case net::TlsFailure::kRemoteRejectedCertificate:
      return {FailureClass::kRemoteFailedCertificateCheck, "remote error: tls: bad certificate"};
    case net::TlsFailure::kRemoteHandshakeFailure:
      return {FailureClass::kRemoteHandshake, "remote error: tls: handshake failure"};
    case net::TlsFailure::kOther:
      break;
  }
  const bool ended = error.code == asio::error::eof || error.code == asio::error::connection_reset;
  return {FailureClass::kIncompleteRequest, ended ? "EOF" : reason(error.code)};
}

}  // namespace

bool is_retryable(FailureClass kind) {
  switch (kind) {
    case FailureClass::kDial:
    case FailureClass::kNotTls:
    case FailureClass::kNameMismatch:
    case FailureClass::kUntrusted:
    case FailureClass::kExpired:
    case FailureClass::kRemoteFailedCertificateCheck:
    case FailureClass::kRemoteHandshake:
    case FailureClass::kHandshakeTimeout:
    case FailureClass::kIdempotentEof:
    case FailureClass::kIncompleteRequest:
      return true;
    case FailureClass::kNone:
    case FailureClass::kResetOnRead:
    case FailureClass::kClientDisconnected:
    case FailureClass::kTimeout:
    case FailureClass::kNoEndpoints:
    case FailureClass::kOther:
      return false;
  }
  return false;
}

bool prunes_tls_endpoint(FailureClass kind) {
  return is_retryable(kind) && kind != FailureClass::kIdempotentEof && kind != FailureClass::kIncompleteRequest;
}

bool marks_failed(FailureClass kind) { return prunes_tls_endpoint(kind) || kind == FailureClass::kResetOnRead; }

Failure failure_of_dial(const net::DialError& error, const std::string& address) {
  if (error.stage == net::DialError::Stage::kHandshake) return failure_of_handshake(error);
  if (error.timed_out) return {FailureClass::kDial, fmt::format("dial tcp {}: i/o timeout", address)};
  return {FailureClass::kDial, fmt::format("dial tcp {}: connect: {}", address, reason(error.code))};
}

Failure failure_of_connection(const error_code& error, const ConnectionState& state) {
  if (net::tls_failure_of(error) == net::TlsFailure::kRemoteRejectedCertificate) {
    return {FailureClass::kRemoteFailedCertificateCheck, "remote error: tls: bad certificate"};
  }
  const bool ended = error == asio::error::eof;
  const bool reset = error == asio::error::connection_reset || error == asio::error::broken_pipe;
  if (!state.request_head_written) return {FailureClass::kIncompleteRequest, ended ? "EOF" : reason(error)};
  if (ended && state.is_idempotent) return {FailureClass::kIdempotentEof, "EOF"};
  if (ended) return {FailureClass::kOther, "EOF"};
  std::string text = fmt::format("read tcp {}->{}: read: {}", state.local_address, state.peer_address, reason(error));
  return {reset ? FailureClass::kResetOnRead : FailureClass::kOther, std::move(text)};
}

Failure malformed_response(const std::string& what) {
  return {FailureClass::kOther, "net/http: HTTP/1.x transport connection broken: " + what};
}

FailureAnswer answer_to(FailureClass kind) {
  switch (kind) {
    case FailureClass::kNotTls:
    case FailureClass::kRemoteHandshake:
      return {525, "525 SSL Handshake Failed\n"};
    case FailureClass::kNameMismatch:
      return {503, "503 Service Unavailable\n"};
    case FailureClass::kUntrusted:
    case FailureClass::kExpired:
      return {526, "526 Invalid SSL Certificate\n"};
    case FailureClass::kRemoteFailedCertificateCheck:
      return {496, "496 SSL Certificate Required\n"};
    case FailureClass::kClientDisconnected:
      return {499, "499 Request Cancelled\n"};
    case FailureClass::kNone:
    case FailureClass::kDial:
    case FailureClass::kHandshakeTimeout:
    case FailureClass::kResetOnRead:
    case FailureClass::kIdempotentEof:
    case FailureClass::kIncompleteRequest:
    case FailureClass::kTimeout:
    case FailureClass::kNoEndpoints:
    case FailureClass::kOther:
      break;
  }
  return {502, "502 Bad Gateway: Registered endpoint failed to handle the request.\n"};
}

}  // namespace rivera::gorouter
