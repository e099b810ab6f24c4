#include "net/stream/connect_first.h"

#include "base/work/wait.h"

namespace rivera::net {
namespace {

// `socket` outlives the call: within() waits for it whatever happens.
asio::awaitable<void> connect_socket(TcpSocket& socket, asio::ip::tcp::endpoint to) {
  co_await socket.async_connect(to, asio::use_awaitable);
}

}  // namespace

asio::awaitable<TcpSocket> open_tcp(asio::ip::address address, std::uint16_t port,
                                    std::chrono::steady_clock::time_point end) {
  TcpSocket socket(co_await asio::this_coro::executor);
  const asio::ip::tcp::endpoint to(address, port);
  const auto left = std::max(end - std::chrono::steady_clock::now(), std::chrono::nanoseconds(0));
  bool is_late = false;
  try {
    co_await base::within(left, "connecting", connect_socket(socket, to));
  } catch (const base::DeadlineExceeded&) {
    is_late = true;
  }
  if (is_late) throw boost::system::system_error(asio::error::timed_out);
  co_return socket;
}

}  // namespace rivera::net
