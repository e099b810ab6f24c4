// Operations by key: one runs, one waits (docs/spec/cell.md §1.15.1).
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

// Whether an operation has done what it could, or failed for a reason that may pass.
enum class Outcome { kDone, kTryAgain };

using Operation = std::function<asio::awaitable<Outcome>()>;

struct QueueOptions {
  std::chrono::nanoseconds first_pause = std::chrono::seconds(1);     // before an operation is tried again
  std::chrono::nanoseconds longest_pause = std::chrono::seconds(15);  // the pauses double
};

// For each key at most one operation runs and one waits; a newer one takes the place of the one that waits. Operations
// read the state they act on when they run, so that none is lost by this. One that wants to be tried again is, with
// growing pauses, unless a newer one comes.
//
// Lives on its executor (a strand).
class OperationQueue {
 public:
  OperationQueue(asio::any_io_executor executor, QueueOptions options, base::Logger logger);

  void push(const std::string& key, Operation operation);
  std::size_t size() const { return lanes_.size(); }
  // Cancels everything.
  asio::awaitable<void> stop();
  // Returns when nothing runs or waits.
  asio::awaitable<void> idle();

 private:
  struct Lane {
    explicit Lane(asio::any_io_executor executor) : pushed(executor) {}
    std::optional<Operation> waiting;
    base::Condition pushed;
  };
  struct LaneEnd;
  asio::awaitable<void> run_lane(std::string key);
  asio::awaitable<Outcome> run_one(std::string key, Operation operation);

  asio::any_io_executor executor_;
  QueueOptions options_;
  base::Logger logger_;
  std::map<std::string, Lane> lanes_;
  base::Condition emptied_;
  base::TaskGroup tasks_;
};

}  // namespace rivera::rep
