#include "net/crypto/certificate_authority.h"

#include <gtest/gtest.h>

namespace rivera::net {
namespace {

using std::chrono::hours;

TEST(CertificateAuthority, IssuesCertificatesItsOwnKeySigned) {
  auto ca = CertificateAuthority::make("a CA", hours(48));
  auto other = CertificateAuthority::make("another CA", hours(48));
  const KeyPair pair = ca.issue({.common_name = "bbs"}, hours(24));
  EXPECT_TRUE(is_signed_by(pair.certificate_pem, ca.pair().certificate_pem));
  EXPECT_FALSE(is_signed_by(pair.certificate_pem, other.pair().certificate_pem));
}

TEST(CertificateAuthority, PutsNamesAndAddressesInTheCertificate) {
  auto ca = CertificateAuthority::make("a CA", hours(48));
  const KeyPair pair = ca.issue({.common_name = "rep",
                                 .organizational_units = {"cell"},
                                 .dns_names = {"localhost", "*.cell.service.cf.internal"},
                                 .addresses = {"127.0.0.1", "::1"}},
                                hours(24));
  EXPECT_EQ(certificate_names(pair.certificate_pem),
            (std::vector<std::string>{"localhost", "*.cell.service.cf.internal", "127.0.0.1", "::1"}));
}

TEST(CertificateAuthority, PutsTheWholeSubjectAndUseInTheCertificate) {
  auto ca = CertificateAuthority::make("a CA", hours(48));
  CertificateSubject subject{.common_name = "rep",
                             .organizational_units = {"rep", "second"},
                             .dns_names = {"localhost", "*.cell.service.cf.internal"},
                             .addresses = {"127.0.0.1", "::1"}};
  for (const CertificateUse use : {CertificateUse::kClient, CertificateUse::kServer, CertificateUse::kBoth}) {
    subject.use = use;
    EXPECT_EQ(certificate_subject(ca.issue(subject, hours(24)).certificate_pem), subject);
  }
  EXPECT_THROW(certificate_subject("no certificate"), std::runtime_error);
}

TEST(CertificateAuthority, GivesTheExpiryItWasAskedFor) {
  auto ca = CertificateAuthority::make("a CA", hours(48));
  const KeyPair pair = ca.issue({.common_name = "x"}, hours(24));
  const auto expected = base::SystemClock().now() + hours(24);
  const auto difference = certificate_expiry(pair.certificate_pem) - expected;
  EXPECT_LT(std::chrono::abs(difference), std::chrono::minutes(1));
}

TEST(CertificateAuthority, LoadedFromItsPemTextItSignsAsBefore) {
  auto made = CertificateAuthority::make("a CA", hours(48));
  auto loaded = CertificateAuthority::load(made.pair());
  const KeyPair pair = loaded.issue({.common_name = "x"}, hours(1));
  EXPECT_TRUE(is_signed_by(pair.certificate_pem, made.pair().certificate_pem));
}

TEST(CertificateAuthority, RefusesAKeyThatIsNotTheCertificates) {
  auto one = CertificateAuthority::make("one", hours(48));
  auto two = CertificateAuthority::make("two", hours(48));
  EXPECT_THROW(CertificateAuthority::load({one.pair().certificate_pem, two.pair().key_pem}), std::runtime_error);
  EXPECT_THROW(CertificateAuthority::load({"no certificate", ""}), std::runtime_error);
}

}  // namespace
}  // namespace rivera::net
