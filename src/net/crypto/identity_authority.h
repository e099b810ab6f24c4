// Signs the identity certificates of containers (docs/spec/cell.md §2.17).
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "net/crypto/certificate_authority.h"

namespace rivera::net {

// A private key that no certificate has yet: PEM text, a secret.
struct FreshKey {
  std::string pem;
};

// A new RSA key of 3072 bits. Takes a large part of a second of processor time: call it on a worker.
FreshKey make_identity_key();

// What a certificate names. Empty texts are names, too, except for an empty common name, which is left out.
struct IdentityNames {
  std::string common_name;
  std::vector<std::string> organizational_units{};  // one name of several values
  std::vector<std::string> dns_names{};
  std::vector<std::string> addresses{};  // IPv4 or IPv6
};

// Immutable: may be used from any thread.
class IdentityAuthority {
 public:
  // The CA of the instances, PEM. Throws std::runtime_error with upstream's texts: "instance ID key is not
  // PEM-encoded", "instance ID CA is not PEM-encoded".
  static IdentityAuthority load(const std::string& ca_certificate_pem, const std::string& ca_key_pem);

  IdentityAuthority(IdentityAuthority&&) noexcept;
  ~IdentityAuthority();

  // A certificate of `key`, followed by the CA's, and the key in PKCS#1 form. It is valid from `now`, whole seconds,
  // for exactly `valid_for`. Throws std::runtime_error if OpenSSL refuses, std::invalid_argument for a bad address.
  KeyPair issue(const FreshKey& key, const IdentityNames& names, base::Timestamp now,
                std::chrono::seconds valid_for) const;

 private:
  struct Authority;
  explicit IdentityAuthority(std::unique_ptr<Authority> authority);

  std::unique_ptr<Authority> authority_;
};

// The certificates of PEM texts, encoded again one after the other; other text is left out. Throws
// std::runtime_error("failed to read certificate") if one of the texts holds none.
std::string joined_certificates(const std::vector<std::string>& pem_texts);

}  // namespace rivera::net
