#include "net/stream/peer_identity.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace rivera::net {
namespace {

std::vector<std::string> name_entries(X509_NAME* name, int nid) {
  std::vector<std::string> out;
  for (int at = X509_NAME_get_index_by_NID(name, nid, -1); at >= 0; at = X509_NAME_get_index_by_NID(name, nid, at)) {
    unsigned char* text = nullptr;
    const int length = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (length >= 0) out.emplace_back(reinterpret_cast<char*>(text), static_cast<std::size_t>(length));
    OPENSSL_free(text);
  }
  return out;
}

std::vector<std::string> dns_names_of(X509* certificate) {
  std::vector<std::string> out;
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS) continue;
    out.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                     static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
  }
  GENERAL_NAMES_free(names);
  return out;
}

std::string pem_of(X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  char* data = nullptr;
  const long length = BIO_get_mem_data(bio, &data);
  std::string pem(data, static_cast<std::size_t>(length));
  BIO_free(bio);
  return pem;
}

}  // namespace

Stream::PeerIdentity peer_identity_of(const SSL* ssl) {
  Stream::PeerIdentity identity;
  X509* certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr) return identity;
  X509_NAME* subject = X509_get_subject_name(certificate);
  const auto names = name_entries(subject, NID_commonName);
  if (!names.empty()) identity.common_name = names.front();
  identity.organizational_units = name_entries(subject, NID_organizationalUnitName);
  identity.dns_names = dns_names_of(certificate);
  identity.certificate_pem = pem_of(certificate);
  return identity;
}

}  // namespace rivera::net
