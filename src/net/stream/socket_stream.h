// What streams over TCP and over Unix sockets have in common. For .cc files.
#pragma once

#include <poll.h>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "net/stream/stream.h"
#include "net/stream/timed_socket.h"

namespace rivera::net {

// Sends small pieces at once; probes idle connections, so that a peer whose machine has vanished is noticed after 30 s.
void tune(asio::ip::tcp::socket& socket);
inline void tune(asio::local::stream_protocol::socket& /*has nothing to tune*/) {}

// "10.0.0.1:41234".
std::string endpoint_text(const asio::ip::tcp::endpoint& endpoint);
// "".
std::string endpoint_text(const asio::local::stream_protocol::endpoint& endpoint);

// Bytes as they are; subclasses may put a layer above.
template <typename Socket>
class SocketStream : public Stream {
 public:
  explicit SocketStream(Socket socket) {
    tune(socket);
    socket_ = std::make_shared<TimedSocket<Socket>>(std::move(socket));
  }
  ~SocketStream() override { socket_->close(); }

  asio::awaitable<std::size_t> read_some(std::span<char> into) override { return socket_->receive(into); }

  asio::awaitable<void> write(std::string_view bytes) override {
    while (!bytes.empty()) {
      bytes.remove_prefix(socket_->send(bytes));
      if (!bytes.empty()) co_await socket_->wait_writable();
    }
  }

  asio::awaitable<void> shutdown_write() override {
    error_code ignored;
    socket_->native().shutdown(asio::socket_base::shutdown_send, ignored);
    co_return;
  }

  void close() override { socket_->close(); }
  void set_timeout(std::chrono::nanoseconds limit) override { socket_->limit_waits(limit); }
  void set_deadline(std::chrono::steady_clock::time_point end) override { socket_->limit_whole(end); }
  std::uint64_t bytes_sent() const override { return socket_->bytes_sent(); }

  bool has_pending_input() override {
    char byte = 0;
    const int fd = socket_->native().native_handle();
    return ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
  }

  bool peer_closed() override {
    pollfd watched{socket_->native().native_handle(), POLLRDHUP, 0};
    return ::poll(&watched, 1, 0) > 0 && (watched.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
  }

  asio::any_io_executor executor() override { return socket_->native().get_executor(); }

  std::string peer_address() const override {
    error_code ec;
    const auto endpoint = socket_->native().remote_endpoint(ec);
    return ec ? "" : endpoint_text(endpoint);
  }
  std::string local_address() const override {
    error_code ec;
    const auto endpoint = socket_->native().local_endpoint(ec);
    return ec ? "" : endpoint_text(endpoint);
  }

 protected:
  TimedSocket<Socket>& socket() { return *socket_; }

 private:
  std::shared_ptr<TimedSocket<Socket>> socket_;
};

}  // namespace rivera::net
