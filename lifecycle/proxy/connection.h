// One connection: TLS with the client, plain TCP with the application.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <netinet/in.h>

#include "proxy/tls.h"

namespace proxy {

using Clock = std::chrono::steady_clock;

// Owns a socket.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket();
  Socket(Socket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Socket& operator=(Socket&& other) noexcept;
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Bytes on their way in one direction. Memory is taken only while there are any.
class Flow {
 public:
  static constexpr std::size_t kCapacity = std::size_t{16} * 1024;

  bool empty() const { return begin_ == end_; }
  // Where to read into when it is empty.
  char* room();
  void filled(std::size_t count) { end_ = count; }
  const char* data() const { return bytes_.get() + begin_; }
  std::size_t size() const { return end_ - begin_; }
  void taken(std::size_t count);
  void discard();

  bool at_end = false;      // the source has ended
  bool end_passed = false;  // and the destination knows

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

// Non-blocking: step() does all that can be done without waiting. Its sockets are to be watched for every change
// (epoll, edge-triggered), after each of which step() is called.
//
// The application is connected once the handshake is over. Each side may end its direction while the other continues;
// what breaks ends both.
class Connection {
 public:
  Connection(Socket client, Ssl ssl, const sockaddr_storage& backend, socklen_t backend_length);

  // kMore: others may have their turn, then it is to be called again without waiting. kOver: the connection is over.
  enum class Step { kWait, kMore, kOver };
  Step step();
  // False if it has waited too long at this time.
  bool is_in_time(Clock::time_point now) const { return now < deadline_; }
  // Whether the current wait is limited to seconds.
  bool waits_briefly() const { return phase_ != Phase::kRelaying; }

  int client() const { return client_.get(); }
  int backend() const { return backend_.get(); }

 private:
  enum class Phase { kHandshake, kConnecting, kRelaying, kClosing };
  enum class Progress { kAdvanced, kWait, kOver };

  Progress shake_hands();
  Progress connect_backend();
  Progress finish_connecting();
  Progress relay();
  Progress from_client();
  Progress to_backend();
  Progress from_backend();
  Progress to_client();
  Progress drain();
  void enter(Phase phase);
  Progress ssl_progress(int result);

  Socket client_;
  Socket backend_;
  Ssl ssl_;
  sockaddr_storage backend_address_;
  socklen_t backend_length_;
  Phase phase_ = Phase::kHandshake;
  Clock::time_point deadline_;
  Flow inbound_;   // client to application
  Flow outbound_;  // application to client
  // What would wait, found out in the current step.
  bool client_unreadable_ = false;
  bool client_unwritable_ = false;
  bool backend_unreadable_ = false;
  bool backend_unwritable_ = false;
};

}  // namespace proxy
