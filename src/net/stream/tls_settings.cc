#include "net/stream/tls_settings.h"

#include <algorithm>
#include <map>
#include <memory>
#include <stdexcept>

#include <boost/asio/ssl/context.hpp>
#include <fmt/format.h>
#include <openssl/ssl.h>

#include "net/crypto/certificate_authority.h"

namespace rivera::net {
namespace {

namespace ssl = boost::asio::ssl;

constexpr char kOwnCiphers[] =
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256";

int number_of(TlsVersion version) {
  switch (version) {
    case TlsVersion::kTls10:
      return TLS1_VERSION;
    case TlsVersion::kTls11:
      return TLS1_1_VERSION;
    case TlsVersion::kTls12:
      return TLS1_2_VERSION;
    case TlsVersion::kTls13:
      return TLS1_3_VERSION;
  }
  return TLS1_2_VERSION;
}

// OpenSSL's name of a suite given in either spelling: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".
std::string openssl_cipher_name(const std::string& name) {
  if (!name.starts_with("TLS_")) return name;
  const char* found = OPENSSL_cipher_name(name.c_str());
  return found == nullptr || std::string_view(found) == "(NONE)" ? name : found;
}

void set_ciphers(SSL_CTX* context, const std::string& wanted) {
  if (wanted.empty()) {
    SSL_CTX_set_cipher_list(context, kOwnCiphers);
    return;
  }
  std::string list;
  std::size_t start = 0;
  while (start <= wanted.size()) {
    const auto end = std::min(wanted.find(':', start), wanted.size());
    const std::string name = openssl_cipher_name(wanted.substr(start, end - start));
    // One by one: in a list OpenSSL passes over names it does not know.
    if (SSL_CTX_set_cipher_list(context, name.c_str()) != 1)
      throw std::runtime_error("unknown TLS cipher suite " + name);
    if (!list.empty()) list += ':';
    list += name;
    start = end + 1;
  }
  SSL_CTX_set_cipher_list(context, list.c_str());
}

void check(const std::string& what, boost::system::error_code ec) {
  if (ec) throw std::runtime_error(fmt::format("cannot use the {}: {}", what, ec.message()));
}

void use_identity(ssl::context& context, const PemIdentity& identity, const std::string& what) {
  boost::system::error_code ec;
  context.use_certificate_chain(boost::asio::buffer(identity.certificate_chain), ec);
  check(what + " certificate", ec);
  context.use_private_key(boost::asio::buffer(identity.private_key), ssl::context::pem, ec);
  check(what + " private key", ec);
  if (SSL_CTX_check_private_key(context.native_handle()) != 1) {
    throw std::runtime_error(fmt::format("the {} private key does not belong to its certificate", what));
  }
}

void trust(ssl::context& context, const std::string& ca_pem, bool system_too) {
  boost::system::error_code ec;
  if (system_too) context.set_default_verify_paths(ec);
  check("system's CA certificates", ec);
  if (ca_pem.empty()) return;
  context.add_certificate_authority(boost::asio::buffer(ca_pem), ec);
  check("CA certificates", ec);
}

std::shared_ptr<ssl::context> server_context(const TlsServerSettings& settings, const PemIdentity& identity) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, number_of(settings.least));
  SSL_CTX_set_max_proto_version(native, number_of(settings.most));
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  set_ciphers(native, settings.ciphers);
  use_identity(*context, identity, "server");
  if (settings.client_certificates == ClientCertificates::kNone) return context;
  trust(*context, settings.client_ca_pem, settings.trust_system_authorities);
  const bool required = settings.client_certificates == ClientCertificates::kRequire;
  context->set_verify_mode(required ? ssl::verify_peer | ssl::verify_fail_if_no_peer_cert : ssl::verify_peer);
  constexpr unsigned char kSessionContext[] = "rivera";
  SSL_CTX_set_session_id_context(native, kSessionContext, sizeof kSessionContext - 1);
  return context;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// The contexts of all names: the first one's callback leads to the others.
struct ByName {
  std::map<std::string, std::shared_ptr<ssl::context>> contexts;

  ssl::context* find(std::string name) const {
    name = lower(std::move(name));
    auto found = contexts.find(name);
    if (found == contexts.end()) {
      const auto dot = name.find('.');
      if (dot != std::string::npos) found = contexts.find("*" + name.substr(dot));
    }
    return found == contexts.end() ? nullptr : found->second.get();
  }
};

int choose_context(SSL* session, int*, void* argument) {
  const char* name = SSL_get_servername(session, TLSEXT_NAMETYPE_host_name);
  if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
  if (ssl::context* found = static_cast<const ByName*>(argument)->find(name))
    SSL_set_SSL_CTX(session, found->native_handle());
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

TlsContext make_server_context(const TlsServerSettings& settings) {
  if (settings.identities.empty()) throw std::runtime_error("a TLS server needs a certificate");
  auto names = std::make_shared<ByName>();
  std::shared_ptr<ssl::context> first;
  for (const PemIdentity& identity : settings.identities) {
    auto context = server_context(settings, identity);
    for (const std::string& name : certificate_names(identity.certificate_chain))
      names->contexts.emplace(lower(name), context);
    if (!first) first = context;
  }
  SSL_CTX_set_tlsext_servername_callback(first->native_handle(), choose_context);
  SSL_CTX_set_tlsext_servername_arg(first->native_handle(), names.get());
  // The callback's argument must live as long as the context: both are held by what is handed out.
  auto holder = std::make_shared<std::pair<std::shared_ptr<ByName>, std::shared_ptr<ssl::context>>>(names, first);
  return TlsContext::wrap(std::shared_ptr<ssl::context>(holder, first.get()), false);
}

TlsContext make_client_context(const TlsClientSettings& settings) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context->native_handle(), SSL_MODE_RELEASE_BUFFERS);
  set_ciphers(context->native_handle(), settings.ciphers);
  if (!settings.identity.empty()) use_identity(*context, settings.identity, "client");
  if (settings.insecure) {
    context->set_verify_mode(ssl::verify_none);
    return TlsContext::wrap(std::move(context), false);
  }
  trust(*context, settings.ca_pem, settings.trust_system_authorities);
  context->set_verify_mode(ssl::verify_peer);
  return TlsContext::wrap(std::move(context), !settings.skip_name_check);
}

}  // namespace rivera::net
