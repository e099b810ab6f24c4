// How tests run coroutines and wait for what they do.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <string>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>

#include "base/asio.h"
#include "base/work/wait.h"

namespace rivera::base {

// Runs `body` to its end on a context of its own, on a strand, and rethrows what it threw; DeadlineExceeded after a
// minute.
inline void run(std::function<asio::awaitable<void>(asio::any_io_executor)> body) {
  asio::io_context io;
  std::exception_ptr failure;
  auto work = [&]() -> asio::awaitable<void> {
    auto executor = co_await asio::this_coro::executor;
    co_await within(std::chrono::seconds(60), "the test", body(executor));
  };
  asio::co_spawn(asio::make_strand(io), work(), [&](std::exception_ptr e) { failure = std::move(e); });
  io.run();
  if (failure) std::rethrow_exception(failure);
}

// Returns once `holds`; throws DeadlineExceeded after 20 seconds.
inline asio::awaitable<void> eventually(std::string what, std::function<bool()> holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) throw DeadlineExceeded("never: " + what);
    co_await sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace rivera::base
