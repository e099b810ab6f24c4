#include "net/stream/dial.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "base/work/cancellation.h"
#include "base/work/wait.h"
#include "net/stream/stream_factory.h"

namespace rivera::net {
namespace {

// `socket` outlives the call: the caller waits for it whatever happens.
asio::awaitable<void> open_socket(TcpSocket& socket, std::string host, std::uint16_t port) {
  error_code not_an_address;
  const auto address = asio::ip::make_address(host, not_an_address);
  if (!not_an_address) {
    co_await socket.async_connect({address, port}, asio::use_awaitable);
    co_return;
  }
  asio::ip::tcp::resolver resolver(socket.get_executor());
  const auto found = co_await resolver.async_resolve(host, std::to_string(port), asio::use_awaitable);
  co_await asio::async_connect(socket, found, asio::use_awaitable);
}

}  // namespace

asio::awaitable<std::unique_ptr<Stream>> dial(DialTarget target) {
  using Stage = DialError::Stage;
  Stage stage = Stage::kConnect;
  try {
    TcpSocket socket(co_await asio::this_coro::executor);
    co_await base::within(target.connect_timeout, "connecting", open_socket(socket, target.host, target.port));
    if (!target.tls) co_return make_stream(std::move(socket));
    stage = Stage::kHandshake;
    std::string name = target.server_name.empty() ? target.host : target.server_name;
    auto stream = co_await connect_tls(std::move(socket), *target.tls, std::move(name), target.handshake_timeout);
    co_return stream;
  } catch (const base::DeadlineExceeded& e) {
    throw DialError(e.what(), stage, {}, true, TlsFailure::kOther);
  } catch (const TlsHandshakeError& e) {
    throw DialError(e.what(), stage, e.code(), false, e.failure);
  } catch (const boost::system::system_error& e) {
    if (base::is_cancellation(e)) throw;
    throw DialError(e.what(), stage, e.code(), e.code() == asio::error::timed_out, TlsFailure::kOther);
  }
}

}  // namespace rivera::net
