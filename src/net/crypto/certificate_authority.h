// A small certificate authority: makes a CA and the certificates it signs.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace rivera::net {

// A certificate (or a chain) and its private key, both PEM. The key is a secret.
struct KeyPair {
  std::string certificate_pem;
  std::string key_pem;
};

// What a certificate may be shown as (its extended key usage).
enum class CertificateUse { kClient, kServer, kBoth };

// The contents of a certificate.
struct CertificateSubject {
  std::string common_name;
  std::vector<std::string> organizational_units = {};
  std::vector<std::string> dns_names = {};  // subject alternative names; "*.cell.service.cf.internal" is allowed
  std::vector<std::string> addresses = {};  // the same, IPv4 or IPv6
  CertificateUse use = CertificateUse::kBoth;

  bool operator==(const CertificateSubject&) const = default;
};

// Signs certificates. Keys are P-256; certificates begin an hour before they are
// made, so that clocks may differ a little. Everything throws std::runtime_error if OpenSSL refuses.
class CertificateAuthority {
 public:
  // A new self-signed CA.
  static CertificateAuthority make(const std::string& common_name, std::chrono::hours valid_for);
  // One made before. Throws std::runtime_error if the PEM text is no certificate with its key.
  static CertificateAuthority load(const KeyPair& pair);

  CertificateAuthority(CertificateAuthority&&) noexcept;
  ~CertificateAuthority();

  const KeyPair& pair() const { return pair_; }

  // `valid_for` may be negative: a certificate that has expired already, for tests.
  KeyPair issue(const CertificateSubject& subject, std::chrono::hours valid_for);

 private:
  struct Keys;
  CertificateAuthority(KeyPair pair, std::unique_ptr<Keys> keys);

  KeyPair pair_;
  std::unique_ptr<Keys> keys_;
};

// Until when the first certificate of a PEM text is valid. Throws std::runtime_error if there is none.
base::Timestamp certificate_expiry(const std::string& certificate_pem);
// True if the first certificate of `certificate_pem` was signed by the one in `ca_pem`.
bool is_signed_by(const std::string& certificate_pem, const std::string& ca_pem);
// What the first certificate of a PEM text says. Without an extended key usage it is for both uses. Throws
// std::runtime_error if there is none.
CertificateSubject certificate_subject(const std::string& certificate_pem);
// The DNS names and addresses it is for, in the order of the certificate.
std::vector<std::string> certificate_names(const std::string& certificate_pem);

}  // namespace rivera::net
