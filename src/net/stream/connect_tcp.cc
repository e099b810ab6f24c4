#include "net/stream/connect_tcp.h"

#include <boost/asio/redirect_error.hpp>

#include "base/work/wait.h"
#include "net/stream/resolver.h"

namespace rivera::net {
namespace {

using Tcp = asio::ip::tcp;

// `socket` outlives the call: within() waits for it whatever happens.
asio::awaitable<void> open_socket(Tcp::socket& socket, Tcp::endpoint to) {
  co_await socket.async_connect(to, asio::use_awaitable);
}

asio::awaitable<error_code> try_for(Tcp::socket& socket, Tcp::endpoint to, std::chrono::nanoseconds limit) {
  error_code failure;
  try {
    co_await base::within(limit, "connecting", open_socket(socket, to));
  } catch (const base::DeadlineExceeded&) {
    failure = asio::error::timed_out;
  } catch (const boost::system::system_error& e) {
    if (e.code() == asio::error::operation_aborted) throw;
    failure = e.code();
  }
  co_return failure;
}

}  // namespace

asio::awaitable<Tcp::socket> connect_tcp(std::string host, std::uint16_t port, std::chrono::nanoseconds limit) {
  auto executor = co_await asio::this_coro::executor;
  error_code not_an_address;
  const auto address = asio::ip::make_address(host, not_an_address);
  if (!not_an_address) {
    Tcp::socket socket(executor);
    const Tcp::endpoint to(address, port);
    co_await open_socket(socket, to);
    co_return socket;
  }
  const auto end = std::chrono::steady_clock::now() + limit;
  const auto addresses = co_await resolve(std::move(host), limit / 2);
  error_code failure = asio::error::host_not_found;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const auto left = std::max(end - std::chrono::steady_clock::now(), std::chrono::nanoseconds(0));
    const auto share = left / static_cast<std::int64_t>(addresses.size() - i);
    Tcp::socket socket(executor);
    const Tcp::endpoint to(addresses[i], port);
    failure = co_await try_for(socket, to, share);
    if (!failure) co_return socket;
  }
  throw boost::system::system_error(failure);
}

}  // namespace rivera::net
