// For tests: runs coroutines to completion, with a deadline.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "base/work/wait.h"
#include "base/work/worker_pool.h"

namespace rivera::executor::testing {

class Loop {
 public:
  asio::any_io_executor executor() { return io_.get_executor(); }
  base::WorkerPool& workers() { return workers_; }

  template <typename T>
  T run(asio::awaitable<T> work) {
    bool done = false;
    std::exception_ptr failure;
    if constexpr (std::is_void_v<T>) {
      asio::co_spawn(io_, std::move(work), [&](std::exception_ptr e) {
        failure = e;
        done = true;
      });
      until([&done] { return done; });
      if (failure) std::rethrow_exception(failure);
    } else {
      std::optional<T> result;
      asio::co_spawn(io_, std::move(work), [&](std::exception_ptr e, T value) {
        failure = e;
        if (!e) result.emplace(std::move(value));
        done = true;
      });
      until([&done] { return done; });
      if (failure) std::rethrow_exception(failure);
      return std::move(*result);
    }
  }

  // Runs the loop until the condition holds; throws after 30 s.
  void until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("the condition never came true");
      if (io_.stopped()) io_.restart();
      io_.run_one_for(std::chrono::milliseconds(20));
    }
  }

  // Runs all handlers that are ready.
  void settle() {
    for (int i = 0; i < 50; ++i) {
      if (io_.stopped()) io_.restart();
      if (io_.poll() == 0) return;
    }
  }

 private:
  base::WorkerPool workers_{2};
  asio::io_context io_{1};
};

}  // namespace rivera::executor::testing
