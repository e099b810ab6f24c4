#include "rep/operations/operation_queue.h"

#include "base/work/cancellation.h"

namespace rivera::rep {

OperationQueue::OperationQueue(asio::any_io_executor executor, QueueOptions options, base::Logger logger)
    : executor_(executor),
      options_(options),
      logger_(logger.session("operation-queue")),
      emptied_(executor),
      tasks_(executor, logger_) {}

void OperationQueue::push(const std::string& key, Operation operation) {
  const auto [at, is_new] = lanes_.try_emplace(key, executor_);
  at->second.waiting = std::move(operation);
  at->second.pushed.notify_all();
  if (is_new) tasks_.spawn_critical("operations", run_lane(key));
}

// The lane is removed in whatever way it ends, so that its key can be used again.
asio::awaitable<void> OperationQueue::run_lane(std::string key) {
  std::exception_ptr failure;
  try {
    co_await run_operations(key, lanes_.at(key));
  } catch (...) {
    failure = std::current_exception();
  }
  lanes_.erase(key);
  emptied_.notify_all();
  if (failure) std::rethrow_exception(failure);
}

asio::awaitable<void> OperationQueue::run_operations(std::string key, Lane& lane) {
  while (lane.waiting) {
    const auto operation = std::move(*lane.waiting);
    lane.waiting.reset();
    auto pause = options_.first_pause;
    for (;;) {
      const auto outcome = co_await run_one(key, operation);
      if (outcome == OperationResult::kDone || lane.waiting) break;
      co_await lane.pushed.wait_for(pause);
      if (lane.waiting) break;
      pause = std::min(pause * 2, options_.longest_pause);
    }
  }
}

// operation_aborted is a failure like any other unless the lane itself was cancelled.
asio::awaitable<OperationResult> OperationQueue::run_one(std::string key, Operation operation) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  try {
    co_return co_await operation();
  } catch (const std::exception& e) {
    if (base::is_cancelled(cancellation)) throw;
    logger_.error("operation-failed", {{"key", key}, {"error", e.what()}});
  }
  co_return OperationResult::kDone;
}

asio::awaitable<void> OperationQueue::stop() { return tasks_.stop(); }

asio::awaitable<void> OperationQueue::idle() {
  while (!lanes_.empty()) co_await emptied_.wait();
}

}  // namespace rivera::rep
