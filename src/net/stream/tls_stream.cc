// TLS straight on OpenSSL, which reads from and writes to memory here: what is sent goes to the kernel many records at
// a time, and without suspending while the kernel takes it.
#include <cstring>

#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/units.h"
#include "net/stream/peer_identity.h"
#include "net/stream/socket_stream.h"
#include "net/stream/stream_factory.h"

namespace rivera::net {
namespace {

constexpr std::size_t kReceiveAtOnce = 16 * base::kKibibyte;
constexpr std::size_t kPlainRecord = 16 * base::kKibibyte;  // the most that a TLS record carries
constexpr std::size_t kSendAtOnce = 256 * base::kKibibyte;
constexpr std::size_t kKept = kSendAtOnce + 2 * kPlainRecord;  // of a thread's buffer

// Encrypted bytes on their way to the kernel.
class Outbox {
 public:
  void append(const char* bytes, std::size_t size) { bytes_.append(bytes, size); }
  std::string_view waiting() const { return std::string_view(bytes_).substr(sent_); }
  // The kernel has taken the first `count` of the waiting bytes.
  void drop(std::size_t count) {
    sent_ += count;
    if (sent_ < bytes_.size() && sent_ < kSendAtOnce) return;
    bytes_.erase(0, sent_);
    sent_ = 0;
  }

  // A thread has one buffer, lent to the connection that writes: so none is allocated for each write, and a connection
  // that sends nothing keeps none. borrow() makes room for `size` bytes more.
  void borrow(std::size_t size);
  void give_back();

 private:
  static std::string& spare();

  std::string bytes_;
  std::size_t sent_ = 0;  // the kernel has taken these
};

std::string& Outbox::spare() {
  thread_local std::string buffer;
  return buffer;
}

void Outbox::borrow(std::size_t size) {
  if (bytes_.empty() && bytes_.capacity() < spare().capacity()) bytes_.swap(spare());
  bytes_.reserve(bytes_.size() + size);
}

void Outbox::give_back() {
  if (!bytes_.empty()) return;
  if (bytes_.capacity() <= kKept && bytes_.capacity() > spare().capacity()) bytes_.swap(spare());
  std::string().swap(bytes_);
}

// Between OpenSSL and the socket.
struct Wire {
  std::unique_ptr<char[]> received{new char[kReceiveAtOnce]};
  std::size_t begin = 0, end = 0;  // of what OpenSSL has not read yet
  Outbox outbox;
};

Wire& wire_of(BIO* bio) { return *static_cast<Wire*>(BIO_get_data(bio)); }

int read_wire(BIO* bio, char* into, int size) {
  Wire& wire = wire_of(bio);
  BIO_clear_retry_flags(bio);
  const std::size_t n = std::min(static_cast<std::size_t>(size), wire.end - wire.begin);
  if (n == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  std::memcpy(into, wire.received.get() + wire.begin, n);
  wire.begin += n;
  return static_cast<int>(n);
}

int write_wire(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  wire_of(bio).outbox.append(bytes, static_cast<std::size_t>(size));
  return size;
}

long control_wire(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO* new_wire_bio(Wire& wire) {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
    BIO_meth_set_read(made, read_wire);
    BIO_meth_set_write(made, write_wire);
    BIO_meth_set_ctrl(made, control_wire);
    return made;
  }();
  BIO* bio = BIO_new(method);
  BIO_set_data(bio, &wire);
  BIO_set_init(bio, 1);
  return bio;
}

error_code last_tls_error() {
  const unsigned long code = ERR_get_error();
  if (code == 0) return asio::ssl::error::stream_truncated;
  return {static_cast<int>(code), asio::error::get_ssl_category()};
}

struct SslFreed {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

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

class TlsStream final : public SocketStream<TcpSocket> {
 public:
  TlsStream(TcpSocket socket, const TlsContext& context)
      : SocketStream(std::move(socket)), ssl_(SSL_new(context.native().native_handle())) {
    if (!ssl_) throw boost::system::system_error(last_tls_error());
    SSL_set_mode(ssl_.get(), SSL_MODE_RELEASE_BUFFERS);  // an idle connection holds none
    BIO* bio = new_wire_bio(wire_);
    SSL_set_bio(ssl_.get(), bio, bio);
  }

  SSL* native() { return ssl_.get(); }

  // As client or as server, as SSL_set_connect_state() or SSL_set_accept_state() has made it; all of it within `limit`.
  asio::awaitable<void> handshake(std::chrono::nanoseconds limit) {
    socket().limit_whole(std::chrono::steady_clock::now() + limit);
    for (;;) {
      ERR_clear_error();
      const int result = SSL_do_handshake(ssl_.get());
      const int reason = SSL_get_error(ssl_.get(), result);
      if (result != 1 && reason != SSL_ERROR_WANT_READ) {
        const error_code ec = last_tls_error();
        co_await say_why();
        throw TlsHandshakeError(ec, handshake_failure(ssl_.get(), ec));
      }
      co_await flush();
      if (result == 1) break;
      const bool more = co_await receive();
      if (!more) throw boost::system::system_error(asio::ssl::error::stream_truncated);
    }
    socket().limit_whole(std::chrono::steady_clock::time_point::max());
  }

  asio::awaitable<std::size_t> read_some(std::span<char> into) override {
    for (;;) {
      ERR_clear_error();
      const int n = SSL_read(ssl_.get(), into.data(), static_cast<int>(std::min<std::size_t>(into.size(), 1u << 30)));
      const int reason = SSL_get_error(ssl_.get(), n);
      if (n <= 0 && reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_ZERO_RETURN) {
        const error_code ec = last_tls_error();
        co_await say_why();
        throw boost::system::system_error(ec);
      }
      send_now();  // an answer of TLS's own
      if (n > 0) co_return static_cast<std::size_t>(n);
      if (reason == SSL_ERROR_ZERO_RETURN) co_return 0;
      const bool more = co_await receive();
      if (!more) co_return 0;
    }
  }

  asio::awaitable<void> write(std::string_view bytes) override {
    while (!bytes.empty()) {
      encrypt(bytes);
      co_await flush();
      // A peer that reads as fast as we send must not keep this thread from other connections.
      if (!bytes.empty()) co_await asio::post(executor(), asio::use_awaitable);
    }
    wire_.outbox.give_back();
  }

  asio::awaitable<void> shutdown_write() override {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    co_await say_why();
  }

  bool has_pending_input() override {
    return SSL_pending(ssl_.get()) > 0 || wire_.begin < wire_.end || SocketStream::has_pending_input();
  }

  PeerIdentity peer_identity() const override { return peer_identity_of(ssl_.get()); }
  bool is_tls() const override { return true; }

 private:
  // As much of `bytes` as is sent at once; they lose it.
  void encrypt(std::string_view& bytes) {
    wire_.outbox.borrow(std::min(bytes.size() + bytes.size() / 64 + 64, kSendAtOnce));
    while (!bytes.empty() && wire_.outbox.waiting().size() < kSendAtOnce) {
      ERR_clear_error();
      const int n = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(std::min(bytes.size(), kPlainRecord)));
      if (n <= 0) throw boost::system::system_error(last_tls_error());
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }

  // False at the end of the stream.
  asio::awaitable<bool> receive() {
    wire_.begin = wire_.end = 0;  // all of it has been read
    const std::size_t n = co_await socket().receive({wire_.received.get(), kReceiveAtOnce});
    wire_.end = n;
    co_return n > 0;
  }

  asio::awaitable<void> flush() {
    Outbox& outbox = wire_.outbox;
    while (!outbox.waiting().empty()) {
      outbox.drop(socket().send(outbox.waiting()));
      if (!outbox.waiting().empty()) co_await socket().wait_writable();
    }
  }

  // What the kernel takes at once, for the reader: it must not wait for a peer that does not read. The rest goes with
  // what is written next, which also notices if the connection is broken.
  void send_now() {
    if (wire_.outbox.waiting().empty()) return;
    try {
      wire_.outbox.drop(socket().send(wire_.outbox.waiting()));
    } catch (const boost::system::system_error&) {
    }
  }

  // Alerts are sent as far as that is possible: what went wrong before counts.
  asio::awaitable<void> say_why() {
    try {
      co_await flush();
    } catch (const boost::system::system_error&) {
    }
  }

  Wire wire_;  // outlives ssl_, which refers to it
  std::unique_ptr<SSL, SslFreed> ssl_;
};

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

asio::awaitable<std::unique_ptr<Stream>> accept_tls(TcpSocket socket, TlsContext context,
                                                    std::chrono::nanoseconds limit) {
  auto stream = std::make_unique<TlsStream>(std::move(socket), context);
  SSL_set_accept_state(stream->native());
  co_await stream->handshake(limit);
  co_return stream;
}

asio::awaitable<std::unique_ptr<Stream>> connect_tls(TcpSocket socket, TlsContext context, std::string server_name,
                                                     std::chrono::nanoseconds limit) {
  auto stream = std::make_unique<TlsStream>(std::move(socket), context);
  SSL_set_connect_state(stream->native());
  expect_name(stream->native(), server_name, context.checks_name());
  co_await stream->handshake(limit);
  co_return stream;
}

}  // namespace rivera::net
