#include "net/stream/stream.h"

#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "net/stream/socket_stream.h"
#include "net/stream/stream_factory.h"

namespace rivera::net {
namespace {

// A machine that has vanished is noticed on an idle connection after half a minute.
constexpr int kKeepAliveIdleSeconds = 15;
constexpr int kKeepAliveIntervalSeconds = 5;
constexpr int kKeepAliveProbes = 3;

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
  void set_deadline(std::chrono::steady_clock::time_point end) override { inner_->set_deadline(end); }
  std::uint64_t bytes_sent() const override { return inner_->bytes_sent(); }
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

}  // namespace

void tune(asio::ip::tcp::socket& socket) {
  error_code ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  const auto set = [fd = socket.native_handle()](int option, int value) {
    ::setsockopt(fd, IPPROTO_TCP, option, &value, sizeof value);
  };
  set(TCP_KEEPIDLE, kKeepAliveIdleSeconds);
  set(TCP_KEEPINTVL, kKeepAliveIntervalSeconds);
  set(TCP_KEEPCNT, kKeepAliveProbes);
}

std::string endpoint_text(const asio::ip::tcp::endpoint& endpoint) {
  const auto address = endpoint.address();
  const bool v6 = address.is_v6();
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", address.to_string(), v6 ? "]" : "", endpoint.port());
}

std::string endpoint_text(const asio::local::stream_protocol::endpoint& /*has no address*/) { return ""; }

std::unique_ptr<Stream> make_stream(TcpSocket socket) {
  return std::make_unique<SocketStream<TcpSocket>>(std::move(socket));
}

std::unique_ptr<Stream> make_stream(UnixSocket socket) {
  return std::make_unique<SocketStream<UnixSocket>>(std::move(socket));
}

std::unique_ptr<Stream> with_read_ahead(std::unique_ptr<Stream> stream, std::string read_ahead) {
  if (read_ahead.empty()) return stream;
  return std::make_unique<ReadAheadStream>(std::move(stream), std::move(read_ahead));
}

}  // namespace rivera::net
