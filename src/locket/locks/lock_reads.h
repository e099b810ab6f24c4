// Database reads with a deadline.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>

#include "base/asio.h"
#include "base/log/log.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "base/work/worker_pool.h"
#include "sql/database.h"

namespace rivera::locket {

// Runs each read on a worker. A caller gets its result or an error by the deadline even if the database hangs; the read
// then continues in the background, and its result is dropped. The number of concurrent reads is limited.
//
// Lives on `executor` (a strand or a single-threaded context).
class LockReads {
 public:
  LockReads(asio::any_io_executor executor, base::WorkerPool& workers, sql::Database& database,
            std::chrono::nanoseconds limit, base::Logger logger);

  // Returns the result of `read(sql::Connection&)`, which must own what it uses. Throws sql::Error,
  // base::DeadlineExceeded, RpcError(kResourceExhausted).
  template <typename Read>
  asio::awaitable<std::invoke_result_t<Read&, sql::Connection&>> run(Read read) {
    auto result = std::make_shared<std::optional<std::invoke_result_t<Read&, sql::Connection&>>>();
    auto reading = std::make_shared<Reading>(
        executor_,
        [read = std::move(read), result](sql::Connection& connection) mutable { result->emplace(read(connection)); });
    co_await finish(std::move(reading));
    co_return std::move(**result);
  }

  // Waits for the running reads.
  asio::awaitable<void> stop();

 private:
  struct Reading {
    Reading(asio::any_io_executor executor, std::function<void(sql::Connection&)> w)
        : work(std::move(w)), ended(executor) {}
    std::function<void(sql::Connection&)> work;
    base::Condition ended;
    bool done = false;
    std::exception_ptr failure = nullptr;
  };

  asio::awaitable<void> finish(std::shared_ptr<Reading> reading);
  asio::awaitable<void> run_read(std::shared_ptr<Reading> reading);

  asio::any_io_executor executor_;
  base::WorkerPool& workers_;
  sql::Database& database_;
  const std::chrono::nanoseconds limit_;
  base::TaskGroup running_;
};

}  // namespace rivera::locket
