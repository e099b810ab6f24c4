#include "net/stream/stream.h"

#include <cstring>

#include <fmt/format.h>

#include "net/stream/socket_stream.h"
#include "net/stream/stream_factory.h"

namespace rivera::net {
namespace {

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

}  // namespace

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
