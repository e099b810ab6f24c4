// Checks that the database still accepts a write and returns it (docs/spec/bbs.md §6.5).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/asio.h"
#include "base/log/log.h"
#include "base/work/task_group.h"
#include "base/work/worker_pool.h"
#include "sql/database.h"

namespace rivera::bbs {

// Writes the time into bbs_health_check's one row and reads it back. Throws sql::Error, or std::runtime_error if it is
// not what was written. Blocks.
void check_database(sql::Database& database, std::int64_t now);

// Lives on `home`, one strand.
class DatabaseCheckLoop {
 public:
  struct Options {
    bool is_enabled = false;
    std::chrono::nanoseconds timeout = std::chrono::seconds(5);  // of one check
    int failure_threshold = 3;                                   // in a row
    std::chrono::nanoseconds interval = std::chrono::seconds(10);
  };
  // One check; blocks.
  using Check = std::function<void()>;

  DatabaseCheckLoop(asio::any_io_executor home, base::WorkerPool& workers, Check check, Options options,
                    base::Logger logger);

  // Until cancelled, or until `failure_threshold` checks in a row have failed or taken too long: then it calls
  // `give_up` and returns. A failed check is repeated a fifth of the timeout after its begin; a check that takes too
  // long is awaited again instead. Intervals and pauses vary by a quarter, so that several processes do not check in
  // step. Returns at once if it is not enabled.
  asio::awaitable<void> run(std::function<void(const std::string& reason)> give_up);
  // Waits for a check that still runs; once run() has ended.
  asio::awaitable<void> stop();

 private:
  struct Attempt;
  asio::awaitable<std::string> check_once();
  static asio::awaitable<void> attempt(base::WorkerPool& workers, Check check, std::shared_ptr<Attempt> into);

  asio::any_io_executor home_;
  base::WorkerPool& workers_;
  Check check_;
  Options options_;
  base::Logger logger_;
  std::shared_ptr<Attempt> attempt_;  // the last one
  base::TaskGroup attempts_;
};

}  // namespace rivera::bbs
