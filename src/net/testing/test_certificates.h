// A small certificate authority for tests.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "net/crypto/certificate_authority.h"
#include "net/stream/tls.h"

namespace rivera::net {

struct CertificateRequest {
  std::string common_name = "test";
  std::vector<std::string> dns_names = {"localhost"};
  std::vector<std::string> addresses = {"127.0.0.1"};
  std::vector<std::string> organizational_units = {};
  int valid_for_days = 2;  // negative: expired already
  CertificateUse use = CertificateUse::kBoth;
};

// Makes a CA and pairs of certificate and key (P-256) signed by it, as PEM files in a temporary directory that goes
// with it. For tests only. Throws std::runtime_error.
class TestCertificates {
 public:
  TestCertificates();
  ~TestCertificates();

  // A pair for 127.0.0.1 and localhost, good for servers and clients, made at the first call.
  const TlsFiles& server();
  const TlsFiles& client();
  // A pair of its own.
  TlsFiles issue(const CertificateRequest& request);
  const std::string& ca_file() const { return ca_file_; }

 private:
  struct Authority;
  base::TemporaryDirectory directory_;
  std::unique_ptr<Authority> authority_;
  std::string ca_file_;
  int issued_ = 0;
  TlsFiles server_;
  TlsFiles client_;
};

}  // namespace rivera::net
