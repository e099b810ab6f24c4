#include "net/http/http_listener.h"

#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/redirect_error.hpp>
#include <fmt/format.h>

namespace rivera::net {
namespace {

[[noreturn]] void fail(const std::string& address, std::string_view why) {
  throw std::runtime_error(fmt::format("cannot listen on {}: {}", address, why));
}

// ":8080", "127.0.0.1:8080" or "[::1]:8080". No name look-ups: a server listens on an address.
asio::ip::tcp::endpoint parse_endpoint(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) fail(text, "expected HOST:PORT");
  std::string host = text.substr(0, colon);
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host.empty()) host = "0.0.0.0";
  if (host == "localhost") host = "127.0.0.1";
  unsigned long port = 0;
  try {
    std::size_t used = 0;
    port = std::stoul(text.substr(colon + 1), &used);
    if (used + colon + 1 != text.size() || port > 65535) throw std::out_of_range("port");
  } catch (const std::exception&) {
    fail(text, "the port must be a number from 0 to 65535");
  }
  error_code ec;
  const auto address = asio::ip::make_address(host, ec);
  if (ec) fail(text, "the host must be an IP address");
  return {address, static_cast<std::uint16_t>(port)};
}

}  // namespace

HttpListener::~HttpListener() { close(); }

void HttpListener::listen(const std::string& address, unsigned unix_mode) {
  if (address.starts_with("unix:")) {
    listen_unix(address.substr(5), unix_mode);
  } else {
    listen_tcp(address);
  }
}

void HttpListener::listen_tcp(const std::string& address) {
  const auto endpoint = parse_endpoint(address);
  auto& acceptor = acceptor_.emplace<TcpAcceptor>(executor_);
  error_code ec;
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(asio::socket_base::reuse_address(true), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) fail(address, ec.message());
  const auto local = acceptor.local_endpoint();
  const bool v6 = local.address().is_v6();
  bound_ = fmt::format("{}{}{}:{}", v6 ? "[" : "", local.address().to_string(), v6 ? "]" : "", local.port());
}

void HttpListener::listen_unix(const std::string& path, unsigned mode) {
  ::unlink(path.c_str());
  auto& acceptor = acceptor_.emplace<UnixAcceptor>(executor_);
  error_code ec;
  acceptor.open(asio::local::stream_protocol(), ec);
  // The file gets the socket's own mode, less the umask: never more than `mode`, at no moment.
  if (!ec && ::fchmod(acceptor.native_handle(), mode) != 0) ec.assign(errno, asio::error::get_system_category());
  if (!ec) acceptor.bind(asio::local::stream_protocol::endpoint(path), ec);
  if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) fail("unix:" + path, ec.message());
  ::chmod(path.c_str(), mode);
  socket_file_ = path;
  bound_ = "unix:" + path;
}

asio::awaitable<AcceptedSocket> HttpListener::accept(asio::any_io_executor strand, error_code& ec) {
  auto token = asio::redirect_error(asio::use_awaitable, ec);
  if (auto* tcp = std::get_if<TcpAcceptor>(&acceptor_)) {
    TcpSocket socket(strand);
    co_await tcp->async_accept(socket, token);
    co_return AcceptedSocket(std::move(socket));
  }
  UnixSocket socket(strand);
  co_await std::get<UnixAcceptor>(acceptor_).async_accept(socket, token);
  co_return AcceptedSocket(std::move(socket));
}

void HttpListener::close() {
  error_code ignored;
  if (auto* tcp = std::get_if<TcpAcceptor>(&acceptor_)) tcp->close(ignored);
  if (auto* local = std::get_if<UnixAcceptor>(&acceptor_)) {
    local->close(ignored);
    if (!socket_file_.empty()) ::unlink(socket_file_.c_str());
    socket_file_.clear();
  }
}

}  // namespace rivera::net
