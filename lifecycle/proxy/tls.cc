#include "proxy/tls.h"

#include <arpa/inet.h>
#include <cstring>
#include <stdexcept>

#include <openssl/err.h>
#include <openssl/x509v3.h>

namespace proxy {
namespace {

constexpr const char* kSuites = "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256";
// Protocols that are offered, each behind its length.
constexpr unsigned char kProtocols[] = "\x02h2\x08http/1.1";

[[noreturn]] void fail_in_openssl(const std::string& doing) {
  char reason[256] = "unknown reason";
  if (const auto code = ERR_get_error(); code != 0) ERR_error_string_n(code, reason, sizeof reason);
  ERR_clear_error();
  throw std::runtime_error("cannot " + doing + ": " + reason);
}

int select_protocol(SSL*, const unsigned char** out, unsigned char* length, const unsigned char* offered,
                    unsigned int offered_length, void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, length, kProtocols, sizeof kProtocols - 1, offered, offered_length) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

std::string text_of(const GENERAL_NAME* name) {
  const ASN1_STRING* value = nullptr;
  if (name->type == GEN_DNS) value = name->d.dNSName;
  if (name->type == GEN_URI) value = name->d.uniformResourceIdentifier;
  if (name->type == GEN_EMAIL) value = name->d.rfc822Name;
  if (name->type == GEN_IPADD) value = name->d.iPAddress;
  if (value == nullptr) return {};
  const auto* bytes = ASN1_STRING_get0_data(value);
  const auto length = static_cast<std::size_t>(ASN1_STRING_length(value));
  if (name->type != GEN_IPADD) return std::string(reinterpret_cast<const char*>(bytes), length);
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(length == 4 ? AF_INET : AF_INET6, bytes, text, sizeof text);
  return text;
}

bool has_one_of(X509* certificate, const std::vector<std::string>& wanted) {
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  bool found = false;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names); ++i) {
    const auto name = text_of(sk_GENERAL_NAME_value(names, i));
    for (const auto& each : wanted) found = found || (!name.empty() && name == each);
  }
  GENERAL_NAMES_free(names);
  return found;
}

// After the chain has been verified: the names of the client.
int verify_client(X509_STORE_CTX* store, void* settings) {
  if (X509_verify_cert(store) <= 0) return 0;
  const auto& clients = static_cast<const Settings*>(settings)->clients;
  if (clients.empty() || has_one_of(X509_STORE_CTX_get0_cert(store), clients)) return 1;
  X509_STORE_CTX_set_error(store, X509_V_ERR_PERMITTED_VIOLATION);  // the alert is then "certificate unknown"
  return 0;
}

void require_client_certificates(SSL_CTX* context, const std::string& ca_file, const Settings& settings) {
  if (SSL_CTX_load_verify_file(context, ca_file.c_str()) != 1) fail_in_openssl("read the trusted certificates");
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(context, verify_client, const_cast<Settings*>(&settings));
  static constexpr unsigned char kSession[] = "proxy";
  SSL_CTX_set_session_id_context(context, kSession, sizeof kSession - 1);
  if (auto* names = SSL_load_client_CA_file(ca_file.c_str())) SSL_CTX_set_client_CA_list(context, names);
}

}  // namespace

Context make_context(const std::string& directory, const Listener& listener, const Settings& settings) {
  Context context(SSL_CTX_new(TLS_server_method()));
  auto* raw = context.get();
  if (raw == nullptr) fail_in_openssl("set up TLS");
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION |
                               SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(raw, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  // Sessions are resumed by tickets alone, whose keys end with the context.
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  if (SSL_CTX_set_cipher_list(raw, kSuites) != 1) fail_in_openssl("set the cipher suites");
  const auto file = directory + "/" + listener.certificate;
  if (SSL_CTX_use_certificate_chain_file(raw, file.c_str()) != 1)
    fail_in_openssl("read the certificate " + listener.certificate);
  if (SSL_CTX_use_PrivateKey_file(raw, file.c_str(), SSL_FILETYPE_PEM) != 1)
    fail_in_openssl("read the key of the certificate");
  if (listener.http2) SSL_CTX_set_alpn_select_cb(raw, select_protocol, nullptr);
  if (listener.verify) require_client_certificates(raw, directory + "/ca.pem", settings);
  return context;
}

}  // namespace proxy
