// How tests of this folder run a coroutine.
#pragma once

#include <chrono>
#include <exception>
#include <functional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>

#include "base/asio.h"
#include "base/work/wait.h"

namespace rivera::net {

// Runs `body` to its end on a context of its own, on a strand, and rethrows what it threw. A minute is enough for
// everything here.
inline void run(std::function<asio::awaitable<void>(asio::any_io_executor)> body) {
  asio::io_context io;
  std::exception_ptr failure;
  auto work = [&]() -> asio::awaitable<void> {
    auto executor = co_await asio::this_coro::executor;
    co_await base::within(std::chrono::seconds(60), "the test", body(executor));
  };
  asio::co_spawn(asio::make_strand(io), work(), [&](std::exception_ptr e) { failure = e; });
  io.run();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace rivera::net
