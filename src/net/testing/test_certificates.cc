#include "net/testing/test_certificates.h"

#include <fmt/format.h>

#include "net/crypto/certificate_authority.h"

namespace rivera::net {

struct TestCertificates::Authority {
  CertificateAuthority ca = CertificateAuthority::make("Test CA", std::chrono::hours(24 * 30));
};

TestCertificates::TestCertificates()
    : directory_("rivera-certificates-"),
      authority_(std::make_unique<Authority>()),
      ca_file_(directory_.path() / "ca.crt") {
  base::write_file_atomically(ca_file_, authority_->ca.pair().certificate_pem);
}

TestCertificates::~TestCertificates() = default;

TlsFiles TestCertificates::issue(const CertificateRequest& request) {
  const CertificateSubject subject{request.common_name, request.organizational_units, request.dns_names,
                                   request.addresses, request.use};
  const KeyPair pair = authority_->ca.issue(subject, std::chrono::hours(24) * request.valid_for_days);
  const std::string stem = (directory_.path() / fmt::format("{}", ++issued_)).string();
  TlsFiles files{stem + ".crt", stem + ".key", ca_file_};
  base::write_file_atomically(files.certificate_file, pair.certificate_pem);
  base::write_file_atomically(files.key_file, pair.key_pem, 0600);
  return files;
}

const TlsFiles& TestCertificates::server() {
  if (server_.empty()) server_ = issue({.common_name = "server"});
  return server_;
}

const TlsFiles& TestCertificates::client() {
  if (client_.empty()) client_ = issue({.common_name = "client"});
  return client_;
}

}  // namespace rivera::net
