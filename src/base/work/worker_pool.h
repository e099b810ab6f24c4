// Threads for calls that block: SQL, subprocesses, archives, DNS.
#pragma once

#include <exception>
#include <functional>
#include <optional>
#include <type_traits>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "base/asio.h"

namespace rivera::base {

// Lives as long as the program; the destructor waits for what runs. May be used from any thread.
class WorkerPool {
 public:
  explicit WorkerPool(std::size_t threads) : pool_(threads) {}
  ~WorkerPool() { pool_.join(); }

  // Runs `work` on a thread of the pool and resumes the caller, on its own executor, with what it returned or threw.
  // Not cancellable: a cancelled caller is resumed when `work` has ended. Results must be default constructible or
  // void.
  template <typename Work>
  asio::awaitable<std::invoke_result_t<Work>> run(Work work) {
    using Result = std::invoke_result_t<Work>;
    if constexpr (std::is_void_v<Result>) {
      // Named: g++ 12 destroys a closure that is a temporary of a co_await expression twice.
      auto with_result = [w = std::move(work)]() mutable {
        w();
        return true;
      };
      co_await run(std::move(with_result));
    } else {
      std::optional<Result> result;
      std::exception_ptr failure;
      std::function<void()> job = [&result, &failure, &work] {
        try {
          result.emplace(work());
        } catch (...) {
          failure = std::current_exception();
        }
      };
      co_await submit(std::move(job));
      if (failure) std::rethrow_exception(failure);
      co_return std::move(*result);
    }
  }

 private:
  asio::awaitable<void> submit(std::function<void()> job) {
    auto initiate = [this](auto handler, std::function<void()> j) {
      auto executor = asio::get_associated_executor(handler);
      asio::post(pool_, [h = std::move(handler), j = std::move(j), executor,
                         keep = asio::prefer(executor, asio::execution::outstanding_work.tracked)]() mutable {
        j();
        asio::post(executor, std::move(h));
      });
    };
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(initiate, asio::use_awaitable, std::move(job));
  }

  asio::thread_pool pool_;
};

}  // namespace rivera::base
