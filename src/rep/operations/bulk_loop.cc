#include "rep/operations/bulk_loop.h"

#include "base/work/cancellation.h"

namespace rivera::rep {

BulkLoop::BulkLoop(asio::any_io_executor executor, const Config& config, Parts parts, base::Logger logger)
    : config_(config), parts_(parts), logger_(logger.session("bulker")), woken_(executor) {}

asio::awaitable<void> BulkLoop::run() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  for (;;) {
    try {
      co_await pass();
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      logger_.error("failed-to-generate-operations", {{"error", e.what()}});
    }
    const auto interval = parts_.evacuation.evacuating ? config_.evacuation_polling_interval : config_.polling_interval;
    co_await woken_.wait_for(interval);
  }
}

asio::awaitable<void> BulkLoop::pass() {
  const auto begun_at = std::chrono::steady_clock::now();
  models::ActualLRPsRequest instances_filter;
  instances_filter.set_cell_id(config_.cell_id);
  models::TasksRequest tasks_filter;
  tasks_filter.set_cell_id(config_.cell_id);
  // The BBS is asked first: an instance that this cell claims in between then appears among the containers.
  const auto instances = co_await parts_.bbs.actual_lrps(std::move(instances_filter));
  const auto tasks = co_await parts_.bbs.tasks(std::move(tasks_filter));
  std::vector<std::string> guids;
  parts_.executor.visit([&guids](const executor::Container& container) { guids.push_back(container.guid); });
  const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - begun_at;
  parts_.metrics.set("RepBulkSyncDuration", static_cast<double>(took.count()));

  for (auto& [guid, operation] : plan_batch(guids, instances, tasks)) {
    if (operation.action == BatchAction::kContainer) {
      parts_.queue.push(guid, [&operations = parts_.operations, key = guid] { return operations.reconcile(key); });
    } else {
      parts_.queue.push(guid, [&operations = parts_.operations, key = guid, what = operation] {
        return operations.settle(key, what);
      });
    }
  }
}

}  // namespace rivera::rep
