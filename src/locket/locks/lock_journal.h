// Group commit: writes that arrive during a transaction share the next one.
#pragma once

#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/asio.h"
#include "base/log/log.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "base/work/worker_pool.h"
#include "sql/database.h"

namespace rivera::locket {

// Runs many writes in one durable transaction: those of one key in order of arrival, the keys in sorted order, so that
// several nodes on one database lock rows in the same order and do not deadlock. If the content of one write cannot be
// stored (a value that is too long, invalid text), runs each in its own transaction, so that only the faulty one gets
// the error.
//
// Lives on `executor` (a strand or a single-threaded context); the database's work is done on `workers`.
class LockJournal {
 public:
  LockJournal(asio::any_io_executor executor, base::WorkerPool& workers, sql::Database& database, base::Logger logger);

  // Runs `write(sql::Connection&)`, which touches the row of `key` only, within a write transaction and returns its
  // result once that is durable. `write` runs on a worker, possibly more than once: it must own what it uses. Its
  // result must be default constructible. Throws sql::Error, RpcError(kResourceExhausted) if too many writes are
  // waiting. The write of a cancelled caller completes if it has started, and is dropped if it is still waiting: a lock
  // whose owner has given up must not be refreshed when the database recovers.
  template <typename Write>
  asio::awaitable<std::invoke_result_t<Write&, sql::Connection&>> run(std::string key, Write write) {
    auto result = std::make_shared<std::invoke_result_t<Write&, sql::Connection&>>();
    auto job = std::make_shared<Job>(
        executor_, std::move(key),
        [write = std::move(write), result](sql::Connection& connection) mutable { *result = write(connection); });
    co_await finish(std::move(job));
    co_return std::move(*result);
  }

  void start();
  // Accepts no more writes (RpcError(kUnavailable)), and ends when the waiting ones are done.
  asio::awaitable<void> stop();

 private:
  struct Job {
    Job(asio::any_io_executor executor, std::string k, std::function<void(sql::Connection&)> w)
        : key(std::move(k)), write(std::move(w)), ended(executor) {}
    std::string key;
    std::function<void(sql::Connection&)> write;
    base::Condition ended;
    bool done = false;
    bool abandoned = false;  // its caller was cancelled
    std::exception_ptr failure = nullptr;
  };
  using Jobs = std::vector<std::shared_ptr<Job>>;

  asio::awaitable<void> finish(std::shared_ptr<Job> job);
  asio::awaitable<void> loop();
  Jobs take_waiting();
  static void run_batch(sql::Database& database, const Jobs& jobs);
  static void fail_all(const Jobs& jobs);
  static void run_alone(sql::Database& database, Job& job);

  asio::any_io_executor executor_;
  base::WorkerPool& workers_;
  sql::Database& database_;
  base::Condition arrived_;
  std::deque<std::shared_ptr<Job>> waiting_;
  bool stopped_ = false;
  base::TaskGroup tasks_;
};

}  // namespace rivera::locket
