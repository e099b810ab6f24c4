#include "net/stream/endpoint.h"

#include <charconv>

#include <boost/asio/local/stream_protocol.hpp>
#include <fmt/format.h>

#include "base/work/cancellation.h"
#include "base/work/wait.h"
#include "net/stream/connect_first.h"
#include "net/stream/stream_factory.h"

namespace rivera::net {
namespace {

[[noreturn]] void fail(std::string_view url) {
  throw std::invalid_argument(fmt::format("\"{}\" is not a URL of the form http(s)://HOST[:PORT] or unix:/PATH", url));
}

void split_authority(std::string_view authority, std::string_view url, Endpoint& into) {
  const auto at = authority.rfind('@');
  if (at != std::string_view::npos) authority.remove_prefix(at + 1);
  std::string_view port_text;
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos) fail(url);
    into.host = authority.substr(1, end - 1);
    port_text = authority.substr(end + 1);
  } else {
    const auto colon = authority.find(':');
    into.host = authority.substr(0, colon);
    port_text = colon == std::string_view::npos ? std::string_view() : authority.substr(colon);
  }
  if (into.host.empty()) fail(url);
  if (port_text.empty()) return;
  if (port_text.front() != ':') fail(url);
  port_text.remove_prefix(1);
  const auto [end, ec] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), into.port);
  if (ec != std::errc() || end != port_text.data() + port_text.size()) fail(url);
}

asio::awaitable<std::unique_ptr<Stream>> begin_stream(TcpSocket socket, std::optional<TlsContext> tls, std::string name,
                                                      std::chrono::nanoseconds timeout) {
  if (!tls) co_return make_stream(std::move(socket));
  auto stream = co_await connect_tls(std::move(socket), *tls, std::move(name), timeout);
  co_return stream;
}

asio::awaitable<std::unique_ptr<Stream>> connect_any(Endpoint endpoint, std::optional<TlsContext> tls,
                                                     std::chrono::nanoseconds timeout, DestinationPolicy destinations) {
  if (endpoint.is_unix) {
    if (destinations.is_limited()) throw boost::system::system_error(destination_denied());
    UnixSocket socket(co_await asio::this_coro::executor);
    co_await socket.async_connect(asio::local::stream_protocol::endpoint(endpoint.host), asio::use_awaitable);
    co_return make_stream(std::move(socket));
  }
  if (!endpoint.tls) tls.reset();
  const std::string name = endpoint.server_name.empty() ? endpoint.host : endpoint.server_name;
  PrepareSocket<std::unique_ptr<Stream>> prepare = [tls, name, timeout](TcpSocket socket) {
    return begin_stream(std::move(socket), tls, name, timeout);
  };
  auto stream =
      co_await connect_first<std::unique_ptr<Stream>>(endpoint.host, endpoint.port, timeout, prepare, destinations);
  co_return stream;
}

}  // namespace

std::pair<Endpoint, std::string> Endpoint::parse_url(std::string_view url) {
  Endpoint endpoint;
  if (url.starts_with("unix:")) {
    endpoint.is_unix = true;
    endpoint.host = url.substr(5);
    if (endpoint.host.empty()) fail(url);
    return {endpoint, "/"};
  }
  std::string_view rest;
  if (url.starts_with("https://")) {
    endpoint.tls = true;
    rest = url.substr(8);
  } else if (url.starts_with("http://")) {
    rest = url.substr(7);
  } else {
    fail(url);
  }
  endpoint.port = endpoint.tls ? 443 : 80;
  const auto end = rest.find_first_of("/?#");
  split_authority(rest.substr(0, end), url, endpoint);
  std::string target = end == std::string_view::npos ? "/" : std::string(rest.substr(end, rest.find('#') - end));
  if (!target.starts_with('/')) target.insert(0, "/");
  return {endpoint, target};
}

Endpoint Endpoint::parse(std::string_view url) { return parse_url(url).first; }

std::string Endpoint::host_header() const {
  if (is_unix) return "api";  // what Garden's clients send (docs/spec/garden.md §1.1)
  const bool v6 = host.find(':') != std::string::npos;
  const std::string name = v6 ? "[" + host + "]" : host;
  return port == (tls ? 443 : 80) ? name : fmt::format("{}:{}", name, port);
}

std::string Endpoint::text() const {
  if (is_unix) return "unix:" + host;
  return fmt::format("{}://{}", tls ? "https" : "http", host_header());
}

asio::awaitable<std::unique_ptr<Stream>> connect(Endpoint endpoint, std::optional<TlsContext> tls,
                                                 std::chrono::nanoseconds timeout, DestinationPolicy destinations) {
  const std::string where = endpoint.text();
  if (endpoint.tls && !tls) throw TransportError("cannot connect to " + where + ": no TLS configuration", false);
  std::string failure;
  bool is_denied = false;
  try {
    auto connecting = connect_any(std::move(endpoint), std::move(tls), timeout, std::move(destinations));
    auto stream = co_await base::within(timeout, "connecting to " + where, std::move(connecting));
    co_return stream;
  } catch (const base::DeadlineExceeded& e) {
    failure = e.what();
  } catch (const boost::system::system_error& e) {
    if (base::is_cancellation(e)) throw;
    is_denied = e.code() == destination_denied();
    failure = fmt::format("cannot connect to {}: {}", where, e.code().message());
  }
  if (is_denied) throw DestinationDenied(failure);
  throw TransportError(failure, false);
}

}  // namespace rivera::net
