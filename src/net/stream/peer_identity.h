// Who a TLS peer is, from its certificate. For .cc files: it brings OpenSSL with it.
#pragma once

#include <openssl/ssl.h>

#include "net/stream/stream.h"

namespace rivera::net {

// Empty if the peer has shown no certificate.
Stream::PeerIdentity peer_identity_of(const SSL* ssl);

}  // namespace rivera::net
