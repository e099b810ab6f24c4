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
    Outcome outcome = Outcome::kOver;
    switch (phase_) {
      case Phase::kHandshake:
        outcome = shake_hands();
        break;
      case Phase::kConnecting:
        outcome = finish_connecting();
        break;
      case Phase::kRelaying:
        outcome = relay();
        break;
      case Phase::kClosing:
        outcome = drain();
        break;
    }
    if (outcome == Outcome::kOver) return Step::kOver;
    if (outcome == Outcome::kWait) return Step::kWait;
  }
  return Step::kMore;
}

// --- the handshake and the application's connection ---

Connection::Outcome Connection::ssl_outcome(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      client_unreadable_ = true;
      return Outcome::kWait;
    default:
      ERR_clear_error();
      return Outcome::kOver;
  }
}

Connection::Outcome Connection::shake_hands() {
  ERR_clear_error();
  const int result = SSL_accept(ssl_.get());
  if (result != 1) return ssl_outcome(result);
  return connect_backend();
}

Connection::Outcome Connection::connect_backend() {
  backend_ = Socket(::socket(backend_address_.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!backend_) return Outcome::kOver;
  const int on = 1;
  ::setsockopt(backend_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  enter(Phase::kConnecting);
  if (::connect(backend_.get(), reinterpret_cast<const sockaddr*>(&backend_address_), backend_length_) == 0) {
    enter(Phase::kRelaying);
    return Outcome::kProgress;
  }
  return errno == EINPROGRESS ? Outcome::kWait : Outcome::kOver;
}

Connection::Outcome Connection::finish_connecting() {
  if (::connect(backend_.get(), reinterpret_cast<const sockaddr*>(&backend_address_), backend_length_) != 0 &&
      errno != EISCONN) {
    return errno == EALREADY || errno == EINPROGRESS ? Outcome::kWait : Outcome::kOver;
  }
  enter(Phase::kRelaying);
  return Outcome::kProgress;
}

// --- both directions ---

Connection::Outcome Connection::relay() {
  Outcome all = Outcome::kWait;
  for (const auto part :
       {&Connection::from_client, &Connection::to_backend, &Connection::from_backend, &Connection::to_client}) {
    const auto outcome = (this->*part)();
    if (outcome == Outcome::kOver) return Outcome::kOver;
    if (outcome == Outcome::kProgress) all = Outcome::kProgress;
  }
  if (all == Outcome::kProgress) deadline_ = Clock::now() + kIdleLimit;
  if (!outbound_.end_passed) return all;
  // The application has ended, and the client knows: what it still sends has no receiver.
  enter(Phase::kClosing);
  return Outcome::kProgress;
}

Connection::Outcome Connection::from_client() {
  if (!inbound_.empty() || inbound_.at_end || client_unreadable_) return Outcome::kWait;
  ERR_clear_error();
  const int count = SSL_read(ssl_.get(), inbound_.room(), static_cast<int>(Flow::kCapacity));
  if (count > 0) {
    inbound_.filled(static_cast<std::size_t>(count));
    return Outcome::kProgress;
  }
  inbound_.discard();
  if (SSL_get_error(ssl_.get(), count) == SSL_ERROR_ZERO_RETURN) {
    inbound_.at_end = true;
    return Outcome::kProgress;
  }
  return ssl_outcome(count);
}

Connection::Outcome Connection::to_backend() {
  if (backend_unwritable_) return Outcome::kWait;
  if (inbound_.empty()) {
    if (!inbound_.at_end || inbound_.end_passed) return Outcome::kWait;
    ::shutdown(backend_.get(), SHUT_WR);
    inbound_.end_passed = true;
    return Outcome::kProgress;
  }
  const auto count = ::send(backend_.get(), inbound_.data(), inbound_.size(), MSG_NOSIGNAL);
  if (count < 0) {
    backend_unwritable_ = would_block();
    return backend_unwritable_ ? Outcome::kWait : Outcome::kOver;
  }
  inbound_.taken(static_cast<std::size_t>(count));
  if (inbound_.empty()) inbound_.discard();
  return Outcome::kProgress;
}

Connection::Outcome Connection::from_backend() {
  if (!outbound_.empty() || outbound_.at_end || backend_unreadable_) return Outcome::kWait;
  const auto count = ::recv(backend_.get(), outbound_.room(), Flow::kCapacity, 0);
  if (count > 0) {
    outbound_.filled(static_cast<std::size_t>(count));
    return Outcome::kProgress;
  }
  backend_unreadable_ = count < 0 && would_block();
  outbound_.discard();
  if (backend_unreadable_) return Outcome::kWait;
  if (count < 0) return Outcome::kOver;
  outbound_.at_end = true;
  return Outcome::kProgress;
}

Connection::Outcome Connection::to_client() {
  if (client_unwritable_) return Outcome::kWait;
  if (outbound_.empty()) {
    if (!outbound_.at_end || outbound_.end_passed) return Outcome::kWait;
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
    ::shutdown(client_.get(), SHUT_WR);
    outbound_.end_passed = true;
    return Outcome::kProgress;
  }
  ERR_clear_error();
  const int count = SSL_write(ssl_.get(), outbound_.data(), static_cast<int>(outbound_.size()));
  if (count <= 0) {
    const int error = SSL_get_error(ssl_.get(), count);
    ERR_clear_error();
    client_unwritable_ = error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ;
    return client_unwritable_ ? Outcome::kWait : Outcome::kOver;
  }
  outbound_.taken(static_cast<std::size_t>(count));
  if (outbound_.empty()) outbound_.discard();
  return Outcome::kProgress;
}

// Closing with unread bytes would cut off what the client has not received yet.
Connection::Outcome Connection::drain() {
  char unwanted[4096];
  const auto count = ::recv(client_.get(), unwanted, sizeof unwanted, 0);
  if (count > 0) return Outcome::kProgress;
  return count < 0 && would_block() ? Outcome::kWait : Outcome::kOver;
}

}  // namespace proxy
