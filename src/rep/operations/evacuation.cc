#include "rep/operations/evacuation.h"

#include <algorithm>

#include "base/work/cancellation.h"
#include "base/work/task_group.h"

namespace rivera::rep {

Evacuator::Evacuator(asio::any_io_executor executor, const Config& config, executor::Executor& containers,
                     EvacuationState& state, base::Logger logger)
    : config_(config),
      containers_(containers),
      state_(state),
      logger_(logger.session("evacuation")),
      begun_(executor) {}

void Evacuator::begin() {
  if (std::exchange(state_.evacuating, true)) return;
  logger_.info("begun");
  begun_.notify_all();
  if (on_begin_) on_begin_();
}

asio::awaitable<void> Evacuator::run() {
  while (!state_.evacuating) co_await begun_.wait();
  const auto deadline = std::chrono::steady_clock::now() + config_.evacuation_timeout;
  while (containers_.size() > 0) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= std::chrono::nanoseconds(0)) {
      logger_.error("failed-to-evacuate-before-timeout", {{"containers", containers_.size()}});
      co_return;
    }
    co_await base::sleep_for(std::min<std::chrono::nanoseconds>(left, config_.evacuation_polling_interval));
  }
  logger_.info("evacuated");
}

namespace {

asio::awaitable<void> destroy_one(executor::Executor& containers, std::string guid, base::Logger logger) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  try {
    co_await containers.destroy(guid);
  } catch (const std::exception& e) {
    if (base::is_cancelled(cancellation)) throw;
    logger.error("failed-to-delete-container", {{"guid", guid}, {"error", e.what()}});
  }
}

}  // namespace

asio::awaitable<void> destroy_all_containers(const Config& config, executor::Executor& containers,
                                             clients::BbsClient& bbs, base::Metrics& metrics, base::Logger logger) {
  models::ActualLRPsRequest ours;
  ours.set_cell_id(config.cell_id);
  const auto instances = co_await bbs.actual_lrps(std::move(ours));
  const auto stranded = std::count_if(instances.begin(), instances.end(), [](const models::ActualLRP& lrp) {
    return lrp.presence() == models::ActualLRP::EVACUATING;
  });
  metrics.set("StrandedEvacuatingActualLRPs", static_cast<double>(stranded));

  std::vector<std::string> guids;
  containers.visit([&guids](const executor::Container& container) { guids.push_back(container.guid); });
  base::TaskGroup destructions(co_await asio::this_coro::executor, logger);
  for (const auto& guid : guids) {
    containers.write_log_line(guid, "Cell " + config.cell_id + " reached evacuation timeout for instance " + guid);
    destructions.spawn("delete-container", destroy_one(containers, guid, logger));
  }
  bool in_time = true;
  try {
    auto all = destructions.join();
    co_await base::within(config.cleanup_timeout, "cleanup", std::move(all));
  } catch (const base::DeadlineExceeded&) {
    in_time = false;
  }
  co_await destructions.stop();
  if (!in_time || containers.size() > 0) throw std::runtime_error("failed-to-cleanup-all-containers");
}

}  // namespace rivera::rep
