// Why TLS failed, for those who decide by it what to tell and whether to try again.
#pragma once

#include "base/asio.h"

namespace rivera::net {

enum class TlsFailure {
  kNotTls,                     // the peer does not speak TLS
  kNameMismatch,               // a valid certificate of somebody else
  kUntrusted,                  // no certificate that we trust
  kExpired,                    // or not yet valid
  kRemoteRejectedCertificate,  // the peer does not like ours, or misses it
  kRemoteHandshakeFailure,     // the peer cannot agree with us
  kOther,
};

class TlsHandshakeError : public boost::system::system_error {
 public:
  TlsHandshakeError(const error_code& ec, TlsFailure failure_kind) : system_error(ec), failure(failure_kind) {}
  TlsFailure failure;
};

// What a later operation's error says: in TLS 1.3 a server refuses our certificate after the handshake.
TlsFailure tls_failure_of(const error_code& ec);

}  // namespace rivera::net
