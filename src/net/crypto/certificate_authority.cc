#include "net/crypto/certificate_authority.h"

#include <arpa/inet.h>
#include <ctime>
#include <stdexcept>

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "net/crypto/x509.h"

namespace rivera::net {
namespace {

using namespace x509;

constexpr auto kBackdated = std::chrono::hours(1);

Key make_key() {
  Key key(EVP_EC_gen("P-256"));
  check(key != nullptr, "make a private key");
  return key;
}

void set_random_serial(X509* certificate) {
  const std::unique_ptr<BIGNUM, Releaser<BN_free>> number(BN_new());
  check(number && BN_rand(number.get(), 159, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1, "make a serial number");
  check(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr, "set a serial number");
}

void set_validity(X509* certificate, std::chrono::hours valid_for) {
  const long begin = -static_cast<long>(std::chrono::seconds(kBackdated).count());
  const long end = static_cast<long>(std::chrono::seconds(valid_for).count());
  check(X509_gmtime_adj(X509_getm_notBefore(certificate), std::min(begin, end - 3600)) != nullptr, "set a validity");
  check(X509_gmtime_adj(X509_getm_notAfter(certificate), end) != nullptr, "set a validity");
}

void add_name_part(X509_NAME* name, const char* field, const std::string& value) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(value.data());
  check(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, bytes, static_cast<int>(value.size()), -1, 0) == 1,
        "set a certificate's subject");
}

void set_subject(X509* certificate, const CertificateSubject& subject) {
  X509_NAME* name = X509_get_subject_name(certificate);
  add_name_part(name, "O", "Rivera");
  for (const std::string& unit : subject.organizational_units) add_name_part(name, "OU", unit);
  add_name_part(name, "CN", subject.common_name);
}

void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Releaser<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  check(extension && X509_add_ext(certificate, extension.get(), -1) == 1, "add a certificate's extension");
}

std::string alternative_names(const CertificateSubject& subject) {
  std::string out;
  for (const std::string& name : subject.dns_names) out += (out.empty() ? "DNS:" : ",DNS:") + name;
  for (const std::string& address : subject.addresses) out += (out.empty() ? "IP:" : ",IP:") + address;
  return out;
}

std::string extended_key_usage(CertificateUse use) {
  switch (use) {
    case CertificateUse::kClient:
      return "clientAuth";
    case CertificateUse::kServer:
      return "serverAuth";
    case CertificateUse::kBoth:
      break;
  }
  return "serverAuth,clientAuth";
}

CertificateUse use_of(X509* certificate) {
  const std::uint32_t purposes = X509_get_extended_key_usage(certificate);  // all bits without the extension
  const bool client = (purposes & XKU_SSL_CLIENT) != 0;
  const bool server = (purposes & XKU_SSL_SERVER) != 0;
  if (client == server) return CertificateUse::kBoth;
  return client ? CertificateUse::kClient : CertificateUse::kServer;
}

std::vector<std::string> name_parts(const X509_NAME* name, int field) {
  std::vector<std::string> out;
  for (int at = X509_NAME_get_index_by_NID(name, field, -1); at >= 0;
       at = X509_NAME_get_index_by_NID(name, field, at)) {
    unsigned char* text = nullptr;
    const int length = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (length >= 0) out.emplace_back(reinterpret_cast<char*>(text), static_cast<std::size_t>(length));
    OPENSSL_free(text);
  }
  return out;
}

// The subject alternative names, of both kinds.
struct AlternativeNames {
  std::vector<std::string> dns_names, addresses, in_order;
};

AlternativeNames alternative_names_of(X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, Releaser<GENERAL_NAMES_free>> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  AlternativeNames out;
  const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS && name->type != GEN_IPADD) continue;
    const ASN1_STRING* value = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
    const unsigned char* bytes = ASN1_STRING_get0_data(value);
    const int size = ASN1_STRING_length(value);
    if (name->type == GEN_DNS) {
      out.in_order.emplace_back(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
      out.dns_names.push_back(out.in_order.back());
      continue;
    }
    char text[INET6_ADDRSTRLEN] = "";
    ::inet_ntop(size == 4 ? AF_INET : AF_INET6, bytes, text, sizeof text);
    out.in_order.emplace_back(text);
    out.addresses.emplace_back(text);
  }
  return out;
}

Certificate begin_certificate(EVP_PKEY* key, const CertificateSubject& subject, std::chrono::hours valid_for) {
  Certificate certificate(X509_new());
  check(certificate && X509_set_version(certificate.get(), X509_VERSION_3) == 1, "make a certificate");
  set_random_serial(certificate.get());
  set_validity(certificate.get(), valid_for);
  set_subject(certificate.get(), subject);
  check(X509_set_pubkey(certificate.get(), key) == 1, "set a certificate's key");
  return certificate;
}

}  // namespace

struct CertificateAuthority::Keys {
  Certificate certificate;
  Key key;
};

CertificateAuthority::CertificateAuthority(KeyPair pair, std::unique_ptr<Keys> keys)
    : pair_(std::move(pair)), keys_(std::move(keys)) {}
CertificateAuthority::CertificateAuthority(CertificateAuthority&&) noexcept = default;
CertificateAuthority::~CertificateAuthority() = default;

CertificateAuthority CertificateAuthority::make(const std::string& common_name, std::chrono::hours valid_for) {
  Key key = make_key();
  Certificate certificate = begin_certificate(key.get(), {.common_name = common_name}, valid_for);
  X509* raw = certificate.get();
  check(X509_set_issuer_name(raw, X509_get_subject_name(raw)) == 1, "set a certificate's issuer");
  add_extension(raw, raw, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(raw, raw, NID_key_usage, "critical,keyCertSign,cRLSign,digitalSignature");
  add_extension(raw, raw, NID_subject_key_identifier, "hash");
  check(X509_sign(raw, key.get(), EVP_sha256()) > 0, "sign the CA certificate");
  KeyPair pair{to_pem(raw), to_pem(key.get())};
  return CertificateAuthority(std::move(pair), std::make_unique<Keys>(Keys{std::move(certificate), std::move(key)}));
}

CertificateAuthority CertificateAuthority::load(const KeyPair& pair) {
  Certificate certificate = read_certificate(pair.certificate_pem);
  Key key = read_key(pair.key_pem);
  check(X509_check_private_key(certificate.get(), key.get()) == 1, "use a CA certificate with this key");
  return CertificateAuthority(pair, std::make_unique<Keys>(Keys{std::move(certificate), std::move(key)}));
}

KeyPair CertificateAuthority::issue(const CertificateSubject& subject, std::chrono::hours valid_for) {
  const Key key = make_key();
  const Certificate certificate = begin_certificate(key.get(), subject, valid_for);
  X509* raw = certificate.get();
  X509* issuer = keys_->certificate.get();
  check(X509_set_issuer_name(raw, X509_get_subject_name(issuer)) == 1, "set a certificate's issuer");
  add_extension(raw, issuer, NID_basic_constraints, "critical,CA:FALSE");
  add_extension(raw, issuer, NID_key_usage, "critical,digitalSignature");
  add_extension(raw, issuer, NID_ext_key_usage, extended_key_usage(subject.use));
  add_extension(raw, issuer, NID_authority_key_identifier, "keyid");
  if (const std::string names = alternative_names(subject); !names.empty()) {
    add_extension(raw, issuer, NID_subject_alt_name, names);
  }
  check(X509_sign(raw, keys_->key.get(), EVP_sha256()) > 0, "sign a certificate");
  return {to_pem(raw), to_pem(key.get())};
}

base::Timestamp certificate_expiry(const std::string& certificate_pem) {
  const Certificate certificate = read_certificate(certificate_pem);
  std::tm broken_down{};
  check(ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &broken_down) == 1, "read a certificate's expiry");
  return base::Timestamp(std::chrono::seconds(::timegm(&broken_down)));
}

bool is_signed_by(const std::string& certificate_pem, const std::string& ca_pem) {
  const Certificate certificate = read_certificate(certificate_pem);
  const Certificate ca = read_certificate(ca_pem);
  const bool matches = X509_verify(certificate.get(), X509_get0_pubkey(ca.get())) == 1;
  ERR_clear_error();
  return matches;
}

CertificateSubject certificate_subject(const std::string& certificate_pem) {
  const Certificate certificate = read_certificate(certificate_pem);
  const X509_NAME* name = X509_get_subject_name(certificate.get());
  const std::vector<std::string> common_names = name_parts(name, NID_commonName);
  AlternativeNames names = alternative_names_of(certificate.get());
  return {.common_name = common_names.empty() ? "" : common_names.front(),
          .organizational_units = name_parts(name, NID_organizationalUnitName),
          .dns_names = std::move(names.dns_names),
          .addresses = std::move(names.addresses),
          .use = use_of(certificate.get())};
}

std::vector<std::string> certificate_names(const std::string& certificate_pem) {
  return alternative_names_of(read_certificate(certificate_pem).get()).in_order;
}

}  // namespace rivera::net
