#include "proxy/connection.h"

#include <cerrno>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

namespace proxy {
namespace {

constexpr auto kHandshakeLimit = std::chrono::seconds(15);
constexpr auto kConnectLimit = std::chrono::seconds(5);
constexpr auto kIdleLimit = std::chrono::hours(1);
constexpr auto kLingerLimit = std::chrono::seconds(5);  // for the client to take the last bytes
constexpr int kMostRounds = 16;                         // before other connections have their turn

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this == &other) return *this;
  if (fd_ >= 0) ::close(fd_);
  fd_ = other.fd_;
  other.fd_ = -1;
  return *this;
}

char* Flow::room() {
  if (!bytes_) bytes_ = std::make_unique<char[]>(kCapacity);
  begin_ = end_ = 0;
  return bytes_.get();
}

void Flow::taken(std::size_t count) { begin_ += count; }

void Flow::discard() {
  bytes_.reset();
  begin_ = end_ = 0;
}

Connection::Connection(Socket client, Ssl ssl, const sockaddr_storage& backend, socklen_t backend_length)
    : client_(std::move(client)), ssl_(std::move(ssl)), backend_address_(backend), backend_length_(backend_length) {
  enter(Phase::kHandshake);
}

void Connection::enter(Phase phase) {
  phase_ = phase;
  const auto now = Clock::now();
  switch (phase) {
    case Phase::kHandshake:
      deadline_ = now + kHandshakeLimit;
      break;
    case Phase::kConnecting:
      deadline_ = now + kConnectLimit;
      break;
    case Phase::kRelaying:
      deadline_ = now + kIdleLimit;
      break;
    case Phase::kClosing:
      deadline_ = now + kLingerLimit;
      break;
  }
}

Connection::Step Connection::step() {
  client_unreadable_ = client_unwritable_ = backend_unreadable_ = backend_unwritable_ = false;
  for (int round = 0; round < kMostRounds; ++round) {
    Progress progress = Progress::kOver;
    switch (phase_) {
      case Phase::kHandshake:
        progress = shake_hands();
        break;
      case Phase::kConnecting:
        progress = finish_connecting();
        break;
      case Phase::kRelaying:
        progress = relay();
        break;
      case Phase::kClosing:
        progress = drain();
        break;
    }
    if (progress == Progress::kOver) return Step::kOver;
    if (progress == Progress::kWait) return Step::kWait;
  }
  return Step::kMore;
}

// --- the handshake and the application's connection ---

Connection::Progress Connection::ssl_progress(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      client_unreadable_ = true;
      return Progress::kWait;
    default:
      ERR_clear_error();
      return Progress::kOver;
  }
}

Connection::Progress Connection::shake_hands() {
  ERR_clear_error();
  const int result = SSL_accept(ssl_.get());
  if (result != 1) return ssl_progress(result);
  return connect_backend();
}

Connection::Progress Connection::connect_backend() {
  backend_ = Socket(::socket(backend_address_.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!backend_) return Progress::kOver;
  const int on = 1;
  ::setsockopt(backend_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  enter(Phase::kConnecting);
  if (::connect(backend_.get(), reinterpret_cast<const sockaddr*>(&backend_address_), backend_length_) == 0) {
    enter(Phase::kRelaying);
    return Progress::kAdvanced;
  }
  return errno == EINPROGRESS ? Progress::kWait : Progress::kOver;
}

Connection::Progress Connection::finish_connecting() {
  if (::connect(backend_.get(), reinterpret_cast<const sockaddr*>(&backend_address_), backend_length_) != 0 &&
      errno != EISCONN) {
    return errno == EALREADY || errno == EINPROGRESS ? Progress::kWait : Progress::kOver;
  }
  enter(Phase::kRelaying);
  return Progress::kAdvanced;
}

// --- both directions ---

Connection::Progress Connection::relay() {
  Progress all = Progress::kWait;
  for (const auto part :
       {&Connection::from_client, &Connection::to_backend, &Connection::from_backend, &Connection::to_client}) {
    const auto progress = (this->*part)();
    if (progress == Progress::kOver) return Progress::kOver;
    if (progress == Progress::kAdvanced) all = Progress::kAdvanced;
  }
  if (all == Progress::kAdvanced) deadline_ = Clock::now() + kIdleLimit;
  if (!outbound_.end_passed) return all;
  // The application has ended, and the client knows: what it still sends has no receiver.
  enter(Phase::kClosing);
  return Progress::kAdvanced;
}

Connection::Progress Connection::from_client() {
  if (!inbound_.empty() || inbound_.at_end || client_unreadable_) return Progress::kWait;
  ERR_clear_error();
  const int count = SSL_read(ssl_.get(), inbound_.room(), static_cast<int>(Flow::kCapacity));
  if (count > 0) {
    inbound_.filled(static_cast<std::size_t>(count));
    return Progress::kAdvanced;
  }
  inbound_.discard();
  if (SSL_get_error(ssl_.get(), count) == SSL_ERROR_ZERO_RETURN) {
    inbound_.at_end = true;
    return Progress::kAdvanced;
  }
  return ssl_progress(count);
}

Connection::Progress Connection::to_backend() {
  if (backend_unwritable_) return Progress::kWait;
  if (inbound_.empty()) {
    if (!inbound_.at_end || inbound_.end_passed) return Progress::kWait;
    ::shutdown(backend_.get(), SHUT_WR);
    inbound_.end_passed = true;
    return Progress::kAdvanced;
  }
  const auto count = ::send(backend_.get(), inbound_.data(), inbound_.size(), MSG_NOSIGNAL);
  if (count < 0) {
    backend_unwritable_ = would_block();
    return backend_unwritable_ ? Progress::kWait : Progress::kOver;
  }
  inbound_.taken(static_cast<std::size_t>(count));
  if (inbound_.empty()) inbound_.discard();
  return Progress::kAdvanced;
}

Connection::Progress Connection::from_backend() {
  if (!outbound_.empty() || outbound_.at_end || backend_unreadable_) return Progress::kWait;
  const auto count = ::recv(backend_.get(), outbound_.room(), Flow::kCapacity, 0);
  if (count > 0) {
    outbound_.filled(static_cast<std::size_t>(count));
    return Progress::kAdvanced;
  }
  backend_unreadable_ = count < 0 && would_block();
  outbound_.discard();
  if (backend_unreadable_) return Progress::kWait;
  if (count < 0) return Progress::kOver;
  outbound_.at_end = true;
  return Progress::kAdvanced;
}

Connection::Progress Connection::to_client() {
  if (client_unwritable_) return Progress::kWait;
  if (outbound_.empty()) {
    if (!outbound_.at_end || outbound_.end_passed) return Progress::kWait;
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
    ::shutdown(client_.get(), SHUT_WR);
    outbound_.end_passed = true;
    return Progress::kAdvanced;
  }
  ERR_clear_error();
  const int count = SSL_write(ssl_.get(), outbound_.data(), static_cast<int>(outbound_.size()));
  if (count <= 0) {
    const int error = SSL_get_error(ssl_.get(), count);
    ERR_clear_error();
    client_unwritable_ = error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ;
    return client_unwritable_ ? Progress::kWait : Progress::kOver;
  }
  outbound_.taken(static_cast<std::size_t>(count));
  if (outbound_.empty()) outbound_.discard();
  return Progress::kAdvanced;
}

// Closing with unread bytes would cut off what the client has not received yet.
Connection::Progress Connection::drain() {
  char unwanted[4096];
  const auto count = ::recv(client_.get(), unwanted, sizeof unwanted, 0);
  if (count > 0) return Progress::kAdvanced;
  return count < 0 && would_block() ? Progress::kWait : Progress::kOver;
}

}  // namespace proxy
