// Operations by key: for each one runs and one waits (docs/spec/cell.md §1.15.1).
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/asio.h"
#include "base/log/log.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"

namespace rivera::rep {

// kTryAgain: the operation failed for a reason that may be temporary.
enum class OperationResult { kDone, kTryAgain };

using Operation = std::function<asio::awaitable<OperationResult>()>;

struct QueueOptions {
  std::chrono::nanoseconds first_pause = std::chrono::seconds(1);     // before the first retry
  std::chrono::nanoseconds longest_pause = std::chrono::seconds(15);  // the pause doubles with each retry
};

// For each key at most one operation runs and one waits. A new operation replaces the waiting one; operations read the
// state they act on when they run, so that this loses nothing. An operation that returns kTryAgain is repeated with
// growing pauses until a newer one replaces it. One that throws is logged and counts as done.
//
// Lives on its executor, a strand.
class OperationQueue {
 public:
  OperationQueue(asio::any_io_executor executor, QueueOptions options, base::Logger logger);

  void push(const std::string& key, Operation operation);
  std::size_t size() const { return lanes_.size(); }
  // Cancels the running operations, discards the waiting ones, and returns when all have ended.
  asio::awaitable<void> stop();
  // Returns when no operation runs or waits.
  asio::awaitable<void> idle();

 private:
  struct Lane {
    explicit Lane(asio::any_io_executor executor) : pushed(executor) {}
    std::optional<Operation> waiting;
    base::Condition pushed;
  };
  asio::awaitable<void> run_lane(std::string key);
  asio::awaitable<void> run_operations(std::string key, Lane& lane);
  asio::awaitable<OperationResult> run_one(std::string key, Operation operation);

  asio::any_io_executor executor_;
  QueueOptions options_;
  base::Logger logger_;
  std::map<std::string, Lane> lanes_;
  base::Condition emptied_;
  base::TaskGroup tasks_;
};

}  // namespace rivera::rep
