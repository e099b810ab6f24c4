// TLS contexts from PEM texts and named settings, for components whose configuration holds the certificates themselves.
#pragma once

#include <string>
#include <vector>

#include "net/stream/tls.h"

namespace rivera::net {

enum class TlsVersion { kTls10, kTls11, kTls12, kTls13 };
enum class ClientCertificates { kNone, kRequest, kRequire };  // kRequest: verified if one is given

// A certificate with its chain, and its key; both PEM.
struct PemIdentity {
  std::string certificate_chain;
  std::string private_key;
  bool empty() const { return certificate_chain.empty() && private_key.empty(); }
};

struct TlsServerSettings {
  // At least one. A client that names a host gets the one with that name, else one with a wildcard for it, else the
  // first.
  std::vector<PemIdentity> identities;
  std::string client_ca_pem;
  bool trust_system_authorities = false;  // for client certificates, beside client_ca_pem
  ClientCertificates client_certificates = ClientCertificates::kNone;
  TlsVersion least = TlsVersion::kTls12;
  TlsVersion most = TlsVersion::kTls13;
  std::string ciphers;  // of TLS up to 1.2, colon separated, in OpenSSL's or IANA's spelling; "" = our own choice
};

struct TlsClientSettings {
  std::string ca_pem;
  bool trust_system_authorities = true;
  PemIdentity identity;  // may be empty
  bool insecure = false;
  bool skip_name_check = false;
  std::string ciphers;
};

// Both throw std::runtime_error saying which part OpenSSL refuses. Keys are never in a message.
TlsContext make_server_context(const TlsServerSettings& settings);
TlsContext make_client_context(const TlsClientSettings& settings);

}  // namespace rivera::net
