// A listening TCP or Unix socket. For the .cc files of src/net.
#pragma once

#include <string>
#include <variant>

#include "net/stream/stream_factory.h"

namespace rivera::net {

using AcceptedSocket = std::variant<TcpSocket, UnixSocket>;

class HttpListener {
 public:
  explicit HttpListener(asio::any_io_executor executor) : executor_(std::move(executor)) {}
  ~HttpListener();

  // `unix_mode`: permission bits of a socket file. Throws std::runtime_error("cannot listen on ADDRESS: ...").
  void listen(const std::string& address, unsigned unix_mode = 0600);
  // The next connection, bound to `strand`.
  asio::awaitable<AcceptedSocket> accept(asio::any_io_executor strand, error_code& ec);
  void close();
  std::string address() const { return bound_; }

 private:
  void listen_tcp(const std::string& address);
  void listen_unix(const std::string& path, unsigned mode);

  using TcpAcceptor = asio::ip::tcp::acceptor;
  using UnixAcceptor = asio::local::stream_protocol::acceptor;
  asio::any_io_executor executor_;
  std::variant<std::monostate, TcpAcceptor, UnixAcceptor> acceptor_;
  std::string bound_;
  std::string socket_file_;
};

}  // namespace rivera::net
