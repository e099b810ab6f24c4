#include "gorouter/proxy/tunnel.h"

#include <memory>
#include <vector>

#include <boost/asio/co_spawn.hpp>

#include "base/units.h"
#include "base/work/wait.h"

namespace rivera::gorouter {
namespace {

constexpr std::size_t kPiece = 32 * base::kKibibyte;

asio::awaitable<void> copy(net::Stream& from, net::Stream& to) {
  std::vector<char> piece(kPiece);
  try {
    for (;;) {
      const std::size_t n = co_await from.read_some(piece);
      if (n == 0) break;
      co_await to.write(std::string_view(piece.data(), n));
    }
  } catch (const boost::system::system_error&) {
    // The connection ends, like at the end of the stream.
  }
  from.close();
  to.close();
}

}  // namespace

asio::awaitable<void> relay(net::Stream& client, std::string from_client, net::Stream& backend,
                            asio::any_io_executor executor) {
  bool running = true;
  base::Condition ended(executor);
  asio::co_spawn(executor, copy(backend, client), [&](std::exception_ptr) {
    running = false;
    ended.notify_all();
  });
  bool broken = false;
  try {
    if (!from_client.empty()) co_await backend.write(from_client);
  } catch (const boost::system::system_error&) {
    broken = true;
  }
  if (broken) {
    backend.close();
    client.close();
  } else {
    co_await copy(client, backend);
  }
  while (running) co_await ended.wait();
}

}  // namespace rivera::gorouter
