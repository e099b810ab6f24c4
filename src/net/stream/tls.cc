#include "net/stream/tls.h"

#include <functional>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string_view>

#include <boost/asio/ssl/context.hpp>
#include <fmt/format.h>
#include <openssl/ssl.h>

namespace rivera::net {
namespace {

namespace ssl = boost::asio::ssl;

// The two suites Diego offers for TLS 1.2 (docs/spec/bbs.md §1.1), with their ECDSA twins for keys of that kind.
constexpr char kCiphers[] =
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256";

// Of TLS 1.3, in the order in which Go's servers, upstream's, choose among what a client offers.
constexpr char kSuites[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

std::shared_ptr<ssl::context> make_context(ssl::context::method method) {
  auto context = std::make_shared<ssl::context>(method);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context->native_handle(), kCiphers);
  SSL_CTX_set_ciphersuites(context->native_handle(), kSuites);
  SSL_CTX_set_options(context->native_handle(), SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context->native_handle(), SSL_MODE_RELEASE_BUFFERS);
  return context;
}

void load(const std::string& what, const std::string& file, boost::system::error_code ec) {
  if (ec) throw std::runtime_error(fmt::format("cannot load the {} from {}: {}", what, file, ec.message()));
}

void load_identity(ssl::context& context, const std::string& certificate_file, const std::string& key_file) {
  boost::system::error_code ec;
  context.use_certificate_chain_file(certificate_file, ec);
  load("TLS certificate", certificate_file, ec);
  context.use_private_key_file(key_file, ssl::context::pem, ec);
  load("TLS private key", key_file, ec);
  if (SSL_CTX_check_private_key(context.native_handle()) != 1) {
    throw std::runtime_error(
        fmt::format("the TLS key {} does not belong to the certificate {}", key_file, certificate_file));
  }
}

void load_authority(ssl::context& context, const std::string& ca_file) {
  boost::system::error_code ec;
  context.load_verify_file(ca_file, ec);
  load("TLS CA certificates", ca_file, ec);
}

// Lives as long as the process: there are few protocols, and contexts refer to them.
const std::string* kept_protocol(std::string_view protocol) {
  static std::mutex mutex;
  static auto* const all = new std::set<std::string, std::less<>>;
  const std::lock_guard lock(mutex);
  return &*all->emplace(protocol).first;
}

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                    unsigned offered_size, void* ours) {
  const std::string& wanted = *static_cast<const std::string*>(ours);
  for (unsigned i = 0; i < offered_size; i += 1u + offered[i]) {
    const std::string_view one(reinterpret_cast<const char*>(offered) + i + 1, offered[i]);
    if (one != wanted) continue;
    *chosen = offered + i + 1;
    *size = offered[i];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

TlsContext::TlsContext(std::shared_ptr<ssl::context> context, bool checks_name)
    : context_(std::move(context)), checks_name_(checks_name) {}

TlsContext TlsContext::mutual_server(const TlsFiles& files, std::string_view protocol) {
  auto context = make_context(ssl::context::tls_server);
  if (!protocol.empty()) {
    auto* const kept = const_cast<std::string*>(kept_protocol(protocol));  // read only
    SSL_CTX_set_alpn_select_cb(context->native_handle(), choose_protocol, kept);
  }
  load_identity(*context, files.certificate_file, files.key_file);
  load_authority(*context, files.ca_file);
  context->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
  // Resumption with client certificates needs a session context; any constant name will do.
  constexpr unsigned char kSessionContext[] = "rivera";
  SSL_CTX_set_session_id_context(context->native_handle(), kSessionContext, sizeof kSessionContext - 1);
  return TlsContext(std::move(context), false);
}

TlsContext TlsContext::server(const std::string& certificate_file, const std::string& key_file) {
  auto context = make_context(ssl::context::tls_server);
  load_identity(*context, certificate_file, key_file);
  return TlsContext(std::move(context), false);
}

TlsContext TlsContext::client(const TlsFiles& files, bool skip_name_check, bool insecure) {
  auto context = make_context(ssl::context::tls_client);
  if (!files.certificate_file.empty()) load_identity(*context, files.certificate_file, files.key_file);
  if (insecure) {
    context->set_verify_mode(ssl::verify_none);
    return TlsContext(std::move(context), false);
  }
  if (files.ca_file.empty()) {
    context->set_default_verify_paths();
  } else {
    load_authority(*context, files.ca_file);
  }
  context->set_verify_mode(ssl::verify_peer);
  return TlsContext(std::move(context), !skip_name_check);
}

}  // namespace rivera::net
