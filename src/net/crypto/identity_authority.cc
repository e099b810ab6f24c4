#include "net/crypto/identity_authority.h"

#include <arpa/inet.h>
#include <ctime>
#include <stdexcept>
#include <string_view>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include "net/crypto/x509.h"

namespace rivera::net {
namespace {

using namespace x509;

constexpr unsigned kKeyBits = 3072;

// The characters of ASN.1's PrintableString that certificates use.
bool is_printable(std::string_view text) {
  return text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?") ==
         std::string_view::npos;
}

// `set`: 0 begins a name of its own, -1 adds a value to the one before.
void add_name(X509_NAME* name, int field, const std::string& value, int set) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(value.data());
  const int kind = is_printable(value) ? V_ASN1_PRINTABLESTRING : V_ASN1_UTF8STRING;
  check(X509_NAME_add_entry_by_NID(name, field, kind, bytes, static_cast<int>(value.size()), -1, set) == 1,
        "set a certificate's subject");
}

void name_subject(X509* certificate, const IdentityNames& names) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  bool is_first = true;
  for (const auto& unit : names.organizational_units) {
    add_name(subject, NID_organizationalUnitName, unit, is_first ? 0 : -1);
    is_first = false;
  }
  if (!names.common_name.empty()) add_name(subject, NID_commonName, names.common_name, 0);
}

// A random UUID of version 4 as a number.
void number_serially(X509* certificate) {
  unsigned char bytes[16];
  check(RAND_bytes(bytes, sizeof bytes) == 1, "make a serial number");
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3F) | 0x80);
  const std::unique_ptr<BIGNUM, Releaser<BN_free>> number(BN_bin2bn(bytes, sizeof bytes, nullptr));
  check(number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr,
        "set a serial number");
}

void limit_in_time(X509* certificate, base::Timestamp now, std::chrono::seconds valid_for) {
  const auto begin = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
  const auto end = begin + valid_for;
  check(ASN1_TIME_set(X509_getm_notBefore(certificate), static_cast<std::time_t>(begin.count())) != nullptr &&
            ASN1_TIME_set(X509_getm_notAfter(certificate), static_cast<std::time_t>(end.count())) != nullptr,
        "set a validity");
}

void extend(X509* certificate, X509* issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Releaser<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, kind, value));
  check(extension && X509_add_ext(certificate, extension.get(), -1) == 1, "add a certificate's extension");
}

using GeneralNames = std::unique_ptr<GENERAL_NAMES, Releaser<GENERAL_NAMES_free>>;

void add_general_name(const GeneralNames& names, int kind, ASN1_STRING* value, std::string_view bytes) {
  check(value != nullptr && ASN1_STRING_set(value, bytes.data(), static_cast<int>(bytes.size())) == 1,
        "add a certificate's name");
  GENERAL_NAME* name = GENERAL_NAME_new();
  check(name != nullptr, "add a certificate's name");
  GENERAL_NAME_set0_value(name, kind, value);
  check(sk_GENERAL_NAME_push(names.get(), name) > 0, "add a certificate's name");
}

std::string address_bytes(const std::string& address) {
  unsigned char bytes[16];
  const bool is_v6 = address.find(':') != std::string::npos;
  if (::inet_pton(is_v6 ? AF_INET6 : AF_INET, address.c_str(), bytes) != 1) {
    throw std::invalid_argument("not an address: " + address);
  }
  return std::string(reinterpret_cast<char*>(bytes), is_v6 ? 16 : 4);
}

void name_alternatively(X509* certificate, const IdentityNames& names) {
  const GeneralNames all(GENERAL_NAMES_new());
  check(all != nullptr, "name a certificate");
  for (const auto& name : names.dns_names) add_general_name(all, GEN_DNS, ASN1_IA5STRING_new(), name);
  for (const auto& address : names.addresses) {
    add_general_name(all, GEN_IPADD, ASN1_OCTET_STRING_new(), address_bytes(address));
  }
  if (sk_GENERAL_NAME_num(all.get()) == 0) return;
  check(X509_add1_ext_i2d(certificate, NID_subject_alt_name, all.get(), 0, X509V3_ADD_DEFAULT) == 1,
        "name a certificate");
}

}  // namespace

FreshKey make_identity_key() {
  const Key key(EVP_RSA_gen(kKeyBits));
  check(key != nullptr, "make a private key");
  return {to_traditional_pem(key.get())};
}

struct IdentityAuthority::Authority {
  Certificate certificate;
  std::string certificate_pem;
  Key key;
};

IdentityAuthority::IdentityAuthority(std::unique_ptr<Authority> authority) : authority_(std::move(authority)) {}
IdentityAuthority::IdentityAuthority(IdentityAuthority&&) noexcept = default;
IdentityAuthority::~IdentityAuthority() = default;

IdentityAuthority IdentityAuthority::load(const std::string& ca_certificate_pem, const std::string& ca_key_pem) {
  if (ca_key_pem.find("-----BEGIN ") == std::string::npos) {
    throw std::runtime_error("instance ID key is not PEM-encoded");
  }
  if (ca_certificate_pem.find("-----BEGIN ") == std::string::npos) {
    throw std::runtime_error("instance ID CA is not PEM-encoded");
  }
  auto authority = std::make_unique<Authority>();
  authority->key = read_key(ca_key_pem);
  authority->certificate = read_certificate(ca_certificate_pem);
  authority->certificate_pem = to_pem(authority->certificate.get());
  check(X509_check_private_key(authority->certificate.get(), authority->key.get()) == 1,
        "use the instance ID CA with its key");
  return IdentityAuthority(std::move(authority));
}

KeyPair IdentityAuthority::issue(const FreshKey& key, const IdentityNames& names, base::Timestamp now,
                                 std::chrono::seconds valid_for) const {
  const Key own = read_key(key.pem);
  const Certificate certificate(X509_new());
  X509* raw = certificate.get();
  X509* issuer = authority_->certificate.get();
  check(raw != nullptr && X509_set_version(raw, X509_VERSION_3) == 1, "make a certificate");
  number_serially(raw);
  limit_in_time(raw, now, valid_for);
  name_subject(raw, names);
  check(X509_set_issuer_name(raw, X509_get_subject_name(issuer)) == 1, "set a certificate's issuer");
  check(X509_set_pubkey(raw, own.get()) == 1, "set a certificate's key");
  extend(raw, issuer, NID_key_usage, "critical,digitalSignature,keyEncipherment,keyAgreement");
  extend(raw, issuer, NID_ext_key_usage, "clientAuth,serverAuth");
  if (X509_get0_subject_key_id(issuer) != nullptr) extend(raw, issuer, NID_authority_key_identifier, "keyid");
  name_alternatively(raw, names);
  check(X509_sign(raw, authority_->key.get(), EVP_sha256()) > 0, "sign a certificate");
  return {to_pem(raw) + authority_->certificate_pem, key.pem};
}

std::string joined_certificates(const std::vector<std::string>& pem_texts) {
  std::string joined;
  for (const auto& text : pem_texts) {
    const Memory memory(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    check(memory != nullptr, "read PEM text");
    bool is_first = true;
    for (;;) {
      const Certificate certificate(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
      ERR_clear_error();
      if (!certificate && is_first) throw std::runtime_error("failed to read certificate");
      if (!certificate) break;
      joined += to_pem(certificate.get());
      is_first = false;
    }
  }
  return joined;
}

}  // namespace rivera::net
