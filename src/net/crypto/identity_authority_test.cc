#include "net/crypto/identity_authority.h"

#include <fstream>

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/places.h"
#include "net/crypto/x509.h"

namespace rivera::net {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

// A key that is quick to make; tests of what a certificate says need no other.
const FreshKey& a_key() {
  static const FreshKey key{[] {
    const x509::Key made(EVP_RSA_gen(2048));
    return x509::to_traditional_pem(made.get());
  }()};
  return key;
}

IdentityAuthority an_authority() {
  const auto ca = CertificateAuthority::make("instanceIdentityCA", std::chrono::hours(48)).pair();
  return IdentityAuthority::load(ca.certificate_pem, ca.key_pem);
}

// What the recording says of a certificate, in the same form.
boost::json::object described(const std::string& pem) {
  const auto certificate = x509::read_certificate(pem);
  boost::json::object out;
  boost::json::array subject;
  const auto* name = X509_get_subject_name(certificate.get());
  int rdns = 0;
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const auto* entry = X509_NAME_get_entry(name, i);
    const auto* value = X509_NAME_ENTRY_get_data(entry);
    subject.push_back(boost::json::array{OBJ_nid2ln(OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry))),
                                         std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                                                     static_cast<std::size_t>(ASN1_STRING_length(value)))});
    rdns = X509_NAME_ENTRY_set(entry) + 1;
  }
  out["subject"] = subject;
  out["subject_rdns"] = rdns;
  int days = 0;
  int rest = 0;
  ASN1_TIME_diff(&days, &rest, X509_get0_notBefore(certificate.get()), X509_get0_notAfter(certificate.get()));
  out["validity_seconds"] = days * 86'400 + rest;
  boost::json::object extensions;
  for (int i = 0; i < X509_get_ext_count(certificate.get()); ++i) {
    auto* extension = X509_get_ext(certificate.get(), i);
    extensions[OBJ_nid2sn(OBJ_obj2nid(X509_EXTENSION_get_object(extension)))] =
        X509_EXTENSION_get_critical(extension) == 1;
  }
  out["extensions"] = extensions;
  return out;
}

boost::json::object recorded_certificate(const std::string& name, const std::string& file) {
  std::ifstream records(base::source_dir() + "/tests/golden/cell.jsonl");
  for (std::string line; std::getline(records, line);) {
    const auto record = boost::json::parse(line).as_object();
    if (record.at("kind") != "instance_identity" || record.at("name").as_string() != name) continue;
    return record.at("certificates").at(file).at(0).as_object();
  }
  throw std::runtime_error("no record " + name);
}

IdentityNames names_of(const std::string& guid) {
  return {.common_name = guid,
          .organizational_units = {"organization:o-1", "space:s-1", "app:env"},
          .dns_names = {guid},
          .addresses = {"10.254.0.2"}};
}

TEST(IdentityAuthority, IssuesCertificatesLikeUpstreams) {
  const auto recorded = recorded_certificate("env-lrp", "instance.crt");
  const auto pair =
      an_authority().issue(a_key(), names_of("<instance_guid>"), base::SystemClock().now(), seconds(86'400));
  const auto ours = described(pair.certificate_pem);
  EXPECT_EQ(ours.at("subject"), recorded.at("subject"));
  EXPECT_EQ(ours.at("subject_rdns"), recorded.at("subject_rdns"));
  EXPECT_EQ(ours.at("validity_seconds"), recorded.at("validity_seconds"));
  const auto& extensions = ours.at("extensions").as_object();
  EXPECT_EQ(extensions.size(), recorded.at("extensions").as_object().size());
  for (const auto& [name, extension] : recorded.at("extensions").as_object()) {
    ASSERT_TRUE(extensions.contains(name)) << name;
    EXPECT_EQ(extensions.at(name), extension.at("critical")) << name;
  }
  const auto certificate = x509::read_certificate(pair.certificate_pem);
  EXPECT_EQ(X509_get_key_usage(certificate.get()),
            static_cast<std::uint32_t>(KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT | KU_KEY_AGREEMENT));
  EXPECT_EQ(X509_get_extended_key_usage(certificate.get()),
            static_cast<std::uint32_t>(XKU_SSL_CLIENT | XKU_SSL_SERVER));
  EXPECT_THAT(certificate_names(pair.certificate_pem), ElementsAre("<instance_guid>", "10.254.0.2"));
}

TEST(IdentityAuthority, ListsDNSNamesBeforeAddressesAndAllowsEmptyOnes) {
  auto names = names_of("");
  names.dns_names = {"", "one.apps.internal", "two.apps.internal"};
  const auto pair = an_authority().issue(a_key(), names, base::SystemClock().now(), seconds(40));
  EXPECT_THAT(certificate_names(pair.certificate_pem),
              ElementsAre("", "one.apps.internal", "two.apps.internal", "10.254.0.2"));
  const auto ours = described(pair.certificate_pem);
  EXPECT_EQ(ours.at("subject_rdns"), 1);  // no common name
  EXPECT_EQ(ours.at("validity_seconds"), 40);
}

TEST(IdentityAuthority, GivesTheChainAndTheKeyInTheirOldForm) {
  const auto pair = an_authority().issue(a_key(), names_of("guid"), base::SystemClock().now(), seconds(60));
  EXPECT_EQ(pair.certificate_pem.find("-----BEGIN CERTIFICATE-----"), 0u);
  EXPECT_NE(pair.certificate_pem.find("-----BEGIN CERTIFICATE-----", 1), std::string::npos);
  EXPECT_EQ(pair.key_pem.find("-----BEGIN RSA PRIVATE KEY-----"), 0u);
  const auto certificate = x509::read_certificate(pair.certificate_pem);
  EXPECT_EQ(X509_check_private_key(certificate.get(), x509::read_key(pair.key_pem).get()), 1);
  const std::unique_ptr<BIGNUM, x509::Releaser<BN_free>> serial(
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate.get()), nullptr));
  std::array<unsigned char, 16> bytes{};
  ASSERT_EQ(BN_bn2binpad(serial.get(), bytes.data(), 16), 16);
  EXPECT_EQ(bytes[6] >> 4, 4);  // a UUID of version 4
}

TEST(IdentityAuthority, MakesKeysOf3072Bits) {
  const auto key = x509::read_key(make_identity_key().pem);
  EXPECT_EQ(EVP_PKEY_get_bits(key.get()), 3072);
}

TEST(IdentityAuthority, RefusesFilesThatAreNoPemTextsWithUpstreamsWords) {
  const auto ca = CertificateAuthority::make("ca", std::chrono::hours(1)).pair();
  const auto refusal = [](const std::string& certificate, const std::string& key) -> std::string {
    try {
      IdentityAuthority::load(certificate, key);
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "none";
  };
  EXPECT_EQ(refusal(ca.certificate_pem, "x"), "instance ID key is not PEM-encoded");
  EXPECT_EQ(refusal("x", ca.key_pem), "instance ID CA is not PEM-encoded");
  const auto other = CertificateAuthority::make("other", std::chrono::hours(1)).pair();
  EXPECT_NE(refusal(ca.certificate_pem, other.key_pem), "none");
}

TEST(JoinedCertificates, LeavesOutOtherTextAndRefusesNone) {
  const auto one = CertificateAuthority::make("one", std::chrono::hours(1)).pair().certificate_pem;
  const auto two = CertificateAuthority::make("two", std::chrono::hours(1)).pair().certificate_pem;
  EXPECT_EQ(joined_certificates({one, "# text\n" + two.substr(0, two.size() - 1)}), one + two);
  EXPECT_EQ(joined_certificates({}), "");
  EXPECT_THROW(joined_certificates({"no certificate"}), std::runtime_error);
}

}  // namespace
}  // namespace rivera::net
