#include "net/stream.h"

#include <cstring>
#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "net/stream_factory.h"

namespace rivera::net {
namespace {

namespace beast = boost::beast;
using TcpLayer = beast::tcp_stream;
using UnixLayer = beast::basic_stream<asio::local::stream_protocol, asio::any_io_executor>;
using TlsLayer = asio::ssl::stream<TcpLayer>;

[[noreturn]] void raise(error_code ec) {
  if (ec == beast::error::timeout) ec = asio::error::timed_out;
  throw boost::system::system_error(ec);
}

bool is_end(const error_code& ec) { return ec == asio::error::eof || ec == asio::ssl::error::stream_truncated; }

std::string endpoint_text(const asio::ip::tcp::endpoint& endpoint) {
  const auto address = endpoint.address();
  const bool v6 = address.is_v6();
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", address.to_string(), v6 ? "]" : "", endpoint.port());
}

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

Stream::PeerIdentity identity_from(SSL* ssl) {
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

// One implementation for the three kinds; Layer is what bytes are read from and written to.
template <typename Layer>
class LayeredStream final : public Stream {
 public:
  explicit LayeredStream(std::unique_ptr<Layer> layer) : layer_(std::move(layer)) {}
  ~LayeredStream() override { LayeredStream::close(); }

  asio::awaitable<std::size_t> read_some(std::span<char> into) override {
    arm();
    error_code ec;
    const std::size_t n = co_await layer_->async_read_some(asio::buffer(into.data(), into.size()),
                                                           asio::redirect_error(asio::use_awaitable, ec));
    if (ec && is_end(ec)) co_return 0;
    if (ec) raise(ec);
    co_return n;
  }

  asio::awaitable<void> write(std::string_view bytes) override {
    while (!bytes.empty()) {
      arm();
      error_code ec;
      const std::size_t n = co_await layer_->async_write_some(asio::buffer(bytes.data(), bytes.size()),
                                                              asio::redirect_error(asio::use_awaitable, ec));
      if (ec) raise(ec);
      bytes.remove_prefix(n);
    }
  }

  asio::awaitable<void> shutdown_write() override {
    error_code ec;
    if constexpr (std::is_same_v<Layer, TlsLayer>) {
      // Sends close_notify and waits a little for the peer's own.
      beast::get_lowest_layer(*layer_).expires_after(std::chrono::seconds(2));
      co_await layer_->async_shutdown(asio::redirect_error(asio::use_awaitable, ec));
    } else {
      beast::get_lowest_layer(*layer_).socket().shutdown(asio::socket_base::shutdown_send, ec);
    }
    co_return;
  }

  void close() override {
    error_code ignored;
    beast::get_lowest_layer(*layer_).socket().close(ignored);
  }

  void set_timeout(std::chrono::nanoseconds limit) override {
    limit_ = limit;
    if (limit_.count() == 0) beast::get_lowest_layer(*layer_).expires_never();
  }

  bool has_pending_input() override {
    char byte = 0;
    const int fd = beast::get_lowest_layer(*layer_).socket().native_handle();
    return ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
  }

  bool peer_closed() override {
    pollfd watched{beast::get_lowest_layer(*layer_).socket().native_handle(), POLLRDHUP, 0};
    return ::poll(&watched, 1, 0) > 0 && (watched.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
  }

  asio::any_io_executor executor() override { return layer_->get_executor(); }

  std::string peer_address() const override {
    return address_of([](auto& socket, error_code& ec) { return socket.remote_endpoint(ec); });
  }
  std::string local_address() const override {
    return address_of([](auto& socket, error_code& ec) { return socket.local_endpoint(ec); });
  }

  PeerIdentity peer_identity() const override {
    if constexpr (std::is_same_v<Layer, TlsLayer>) {
      return identity_from(layer_->native_handle());
    } else {
      return {};
    }
  }
  bool is_tls() const override { return std::is_same_v<Layer, TlsLayer>; }

 private:
  void arm() {
    if (limit_.count() > 0) beast::get_lowest_layer(*layer_).expires_after(limit_);
  }

  template <typename Get>
  std::string address_of(Get get) const {
    if constexpr (std::is_same_v<Layer, UnixLayer>) {
      return "";
    } else {
      error_code ec;
      const auto endpoint = get(beast::get_lowest_layer(*layer_).socket(), ec);
      return ec ? "" : endpoint_text(endpoint);
    }
  }

  std::unique_ptr<Layer> layer_;
  std::chrono::nanoseconds limit_{0};
};

class ReadAheadStream final : public Stream {
 public:
  ReadAheadStream(std::unique_ptr<Stream> inner, std::string read_ahead)
      : inner_(std::move(inner)), read_ahead_(std::move(read_ahead)) {}

  asio::awaitable<std::size_t> read_some(std::span<char> into) override {
    if (at_ < read_ahead_.size()) {
      const std::size_t n = std::min(into.size(), read_ahead_.size() - at_);
      std::memcpy(into.data(), read_ahead_.data() + at_, n);
      at_ += n;
      co_return n;
    }
    co_return co_await inner_->read_some(into);
  }
  asio::awaitable<void> write(std::string_view bytes) override { return inner_->write(bytes); }
  asio::awaitable<void> shutdown_write() override { return inner_->shutdown_write(); }
  void close() override { inner_->close(); }
  void set_timeout(std::chrono::nanoseconds limit) override { inner_->set_timeout(limit); }
  bool has_pending_input() override { return at_ < read_ahead_.size() || inner_->has_pending_input(); }
  bool peer_closed() override { return inner_->peer_closed(); }
  asio::any_io_executor executor() override { return inner_->executor(); }
  std::string peer_address() const override { return inner_->peer_address(); }
  std::string local_address() const override { return inner_->local_address(); }
  PeerIdentity peer_identity() const override { return inner_->peer_identity(); }
  bool is_tls() const override { return inner_->is_tls(); }

 private:
  std::unique_ptr<Stream> inner_;
  std::string read_ahead_;
  std::size_t at_ = 0;
};

void tune(TcpSocket& socket) {
  error_code ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
}

// Names the server to itself (SNI) and, where asked to, to the check of its certificate.
void expect_name(SSL* ssl, const std::string& name, bool check) {
  error_code not_an_address;
  asio::ip::make_address(name, not_an_address);
  if (not_an_address) SSL_set_tlsext_host_name(ssl, name.c_str());
  if (!check) return;
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl);
  if (not_an_address) {
    X509_VERIFY_PARAM_set1_host(parameters, name.c_str(), name.size());
  } else {
    X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str());
  }
}

// Why a handshake failed: what we found wrong with the peer's certificate, or what the peer or the bytes said.
TlsFailure handshake_failure(SSL* ssl, const error_code& ec) {
  if (ERR_GET_REASON(static_cast<unsigned long>(ec.value())) != SSL_R_CERTIFICATE_VERIFY_FAILED)
    return tls_failure_of(ec);
  switch (SSL_get_verify_result(ssl)) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return TlsFailure::kNameMismatch;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return TlsFailure::kExpired;
    default:
      return TlsFailure::kUntrusted;
  }
}

asio::awaitable<std::unique_ptr<Stream>> handshake(std::unique_ptr<TlsLayer> layer, std::chrono::nanoseconds limit,
                                                   asio::ssl::stream_base::handshake_type type) {
  beast::get_lowest_layer(*layer).expires_after(limit);
  error_code ec;
  co_await layer->async_handshake(type, asio::redirect_error(asio::use_awaitable, ec));
  if (ec && ec.category() == asio::error::get_ssl_category()) {
    throw TlsHandshakeError(ec, handshake_failure(layer->native_handle(), ec));
  }
  if (ec) raise(ec);
  beast::get_lowest_layer(*layer).expires_never();
  co_return std::make_unique<LayeredStream<TlsLayer>>(std::move(layer));
}

}  // namespace

TlsFailure tls_failure_of(const error_code& ec) {
  if (ec.category() != asio::error::get_ssl_category()) return TlsFailure::kOther;
  switch (ERR_GET_REASON(static_cast<unsigned long>(ec.value()))) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_RECORD_LENGTH_MISMATCH:
    case SSL_R_BAD_RECORD_TYPE:
      return TlsFailure::kNotTls;
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return TlsFailure::kRemoteRejectedCertificate;
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
      return TlsFailure::kRemoteHandshakeFailure;
    default:
      return TlsFailure::kOther;
  }
}

std::unique_ptr<Stream> make_stream(TcpSocket socket) {
  tune(socket);
  return std::make_unique<LayeredStream<TcpLayer>>(std::make_unique<TcpLayer>(std::move(socket)));
}

std::unique_ptr<Stream> make_stream(UnixSocket socket) {
  return std::make_unique<LayeredStream<UnixLayer>>(std::make_unique<UnixLayer>(std::move(socket)));
}

asio::awaitable<std::unique_ptr<Stream>> accept_tls(TcpSocket socket, TlsContext context,
                                                    std::chrono::nanoseconds limit) {
  tune(socket);
  auto layer = std::make_unique<TlsLayer>(TcpLayer(std::move(socket)), context.native());
  auto stream = co_await handshake(std::move(layer), limit, asio::ssl::stream_base::server);
  co_return stream;
}

asio::awaitable<std::unique_ptr<Stream>> connect_tls(TcpSocket socket, TlsContext context, std::string server_name,
                                                     std::chrono::nanoseconds limit) {
  tune(socket);
  auto layer = std::make_unique<TlsLayer>(TcpLayer(std::move(socket)), context.native());
  expect_name(layer->native_handle(), server_name, context.checks_name());
  auto stream = co_await handshake(std::move(layer), limit, asio::ssl::stream_base::client);
  co_return stream;
}

std::unique_ptr<Stream> with_read_ahead(std::unique_ptr<Stream> stream, std::string read_ahead) {
  if (read_ahead.empty()) return stream;
  return std::make_unique<ReadAheadStream>(std::move(stream), std::move(read_ahead));
}

}  // namespace rivera::net
