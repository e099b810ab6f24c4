#include "net/test_certificates.h"

#include <stdexcept>

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

namespace rivera::net {
namespace {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;

void require(bool done, const char* what) {
  if (done) return;
  throw std::runtime_error(fmt::format("test certificates: {}: {}", what, ERR_reason_error_string(ERR_get_error())));
}

Key make_key() {
  Key key(EVP_EC_gen("P-256"));
  require(key != nullptr, "making a key");
  return key;
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  require(extension != nullptr, "making an extension");
  require(X509_add_ext(certificate, extension.get(), -1) == 1, "adding an extension");
}

void add_name(X509_NAME* name, const char* field, const std::string& value) {
  require(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.data()),
                                     static_cast<int>(value.size()), -1, 0) == 1,
          "setting a name");
}

// Everything but issuer, extensions and signature.
Certificate make_certificate(const CertificateRequest& request, EVP_PKEY* key) {
  constexpr long kDay = 24 * 60 * 60;
  Certificate certificate(X509_new());
  require(certificate != nullptr, "making a certificate");
  X509_set_version(certificate.get(), X509_VERSION_3);
  std::uint64_t serial = 0;
  require(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1, "making a serial number");
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial >> 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -10 * kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), request.valid_for_days * kDay);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  for (const auto& unit : request.organizational_units) add_name(subject, "OU", unit);
  add_name(subject, "CN", request.common_name);
  return certificate;
}

std::string alternative_names(const CertificateRequest& request) {
  std::string names;
  const auto add = [&names](const char* kind, const std::string& name) {
    names += fmt::format("{}{}:{}", names.empty() ? "" : ",", kind, name);
  };
  for (const auto& name : request.dns_names) add("DNS", name);
  for (const auto& address : request.addresses) add("IP", address);
  return names;
}

std::string contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

std::string certificate_pem(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_X509(bio.get(), certificate) == 1, "writing a certificate");
  return contents(bio.get());
}

std::string key_pem(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1, "writing a key");
  return contents(bio.get());
}

}  // namespace

struct TestCertificates::Authority {
  Key key = make_key();
  Certificate certificate;
};

TestCertificates::TestCertificates() : directory_("rivera-certificates-"), authority_(std::make_unique<Authority>()) {
  Authority& authority = *authority_;
  authority.certificate = make_certificate({.common_name = "Test CA", .valid_for_days = 30}, authority.key.get());
  X509* certificate = authority.certificate.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(certificate, certificate, NID_subject_key_identifier, "hash");
  require(X509_sign(certificate, authority.key.get(), EVP_sha256()) > 0, "signing");
  ca_file_ = directory_.path() / "ca.crt";
  base::write_file_atomically(ca_file_, certificate_pem(certificate));
}

TestCertificates::~TestCertificates() = default;

TlsFiles TestCertificates::issue(const CertificateRequest& request) {
  const Key key = make_key();
  const Certificate certificate = make_certificate(request, key.get());
  X509* issuer = authority_->certificate.get();
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer));
  add_extension(certificate.get(), issuer, NID_basic_constraints, "critical,CA:FALSE");
  add_extension(certificate.get(), issuer, NID_key_usage, "critical,digitalSignature");
  add_extension(certificate.get(), issuer, NID_ext_key_usage, "serverAuth,clientAuth");
  add_extension(certificate.get(), issuer, NID_authority_key_identifier, "keyid");
  if (const auto names = alternative_names(request); !names.empty()) {
    add_extension(certificate.get(), issuer, NID_subject_alt_name, names);
  }
  require(X509_sign(certificate.get(), authority_->key.get(), EVP_sha256()) > 0, "signing");

  const std::string stem = (directory_.path() / fmt::format("{}", ++issued_)).string();
  TlsFiles files{stem + ".crt", stem + ".key", ca_file_};
  base::write_file_atomically(files.certificate_file, certificate_pem(certificate.get()));
  base::write_file_atomically(files.key_file, key_pem(key.get()), 0600);
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
