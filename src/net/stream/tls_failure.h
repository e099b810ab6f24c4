// Why TLS failed, for callers that choose their answer, and whether to try again, by the reason.
#pragma once

#include "base/asio.h"

namespace rivera::net {

enum class TlsFailure {
  kNotTls,                     // the peer does not speak TLS
  kNameMismatch,               // a valid certificate for another name
  kUntrusted,                  // not signed by an authority that we trust
  kExpired,                    // or not yet valid
  kRemoteRejectedCertificate,  // the peer refuses our certificate, or requires one
  kRemoteHandshakeFailure,     // the peer and we have no version or cipher in common
  kOther,
};

class TlsHandshakeError : public boost::system::system_error {
 public:
  TlsHandshakeError(const error_code& ec, TlsFailure failure_kind) : system_error(ec), failure(failure_kind) {}
  TlsFailure failure;
};

// What the error of a later operation means: in TLS 1.3 a server refuses our certificate after the handshake.
TlsFailure tls_failure_of(const error_code& ec);

}  // namespace rivera::net
