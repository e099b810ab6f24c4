#include "bbs/outgoing/rep_calls.h"

#include "base/work/cancellation.h"

namespace rivera::bbs {
namespace {

constexpr std::size_t kMostRepCallsWaiting = 100'000;

struct CellOf {
  std::string operator()(const StopInstance& call) const { return cell_id(*call.lrp); }
  std::string operator()(const UpdateInstance& call) const { return cell_id(*call.lrp); }
  std::string operator()(const CancelTaskOnCell& call) const { return call.cell_id; }
};

struct MakeCall {
  const clients::RepClient& rep;

  asio::awaitable<void> operator()(const StopInstance& call) const {
    return rep.stop_lrp_instance(process_guid(*call.lrp), call.lrp->lrp.actual_lrp_instance_key().instance_guid());
  }
  asio::awaitable<void> operator()(const UpdateInstance& call) const {
    models::LRPUpdate update;
    update.instance_guid = call.lrp->lrp.actual_lrp_instance_key().instance_guid();
    update.process_guid = process_guid(*call.lrp);
    update.index = instance_index(*call.lrp);
    update.domain = call.lrp->lrp.actual_lrp_key().domain();
    update.internal_routes = call.internal_routes;
    update.metric_tags = call.metric_tags;
    return rep.update_lrp_instance(std::move(update));
  }
  asio::awaitable<void> operator()(const CancelTaskOnCell& call) const { return rep.cancel_task(call.task_guid); }
};

}  // namespace

RepCalls::RepCalls(asio::any_io_executor executor, Cells& cells, clients::RepClientOptions options, std::size_t workers,
                   HasLock has_lock, base::Logger logger)
    : cells_(cells),
      reps_(executor, std::move(options)),
      has_lock_(std::move(has_lock)),
      logger_(logger.session("rep-calls")),
      queue_(executor, kMostRepCallsWaiting),
      most_workers_(workers),
      workers_(executor, logger_) {}

void RepCalls::make(Call call) {
  if (!queue_.try_push(std::move(call))) {
    logger_.error("too-many-waiting", {{"limit", kMostRepCallsWaiting}});
  } else if (workers_.size() < most_workers_) {
    workers_.spawn("worker", work());
  }
}

asio::awaitable<bool> RepCalls::stop_instance(StopInstance call) {
  Call any(std::move(call));
  return carry_out(std::move(any));
}

asio::awaitable<void> RepCalls::stop() { co_await workers_.stop(); }

asio::awaitable<void> RepCalls::work() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  while (auto call = queue_.try_pop()) {
    const std::string cell = std::visit(CellOf{}, *call);
    try {
      const bool found = co_await carry_out(std::move(*call));
      if (!found) logger_.info("cell-not-found", {{"cell_id", cell}});
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      logger_.error("call-failed", {{"cell_id", cell}, {"error", e.what()}});
    }
  }
}

asio::awaitable<bool> RepCalls::carry_out(Call call) {
  const std::string cell_id = std::visit(CellOf{}, call);
  const std::string trace_id = std::visit([](const auto& c) { return c.trace_id; }, call);
  const std::optional<models::CellPresence> cell = co_await cells_.find(cell_id);
  if (!cell) co_return false;
  const clients::RepClient rep = reps_.at(cell->rep_address(), cell->rep_url(), trace_id);
  require_lock(has_lock_);
  auto calling = std::visit(MakeCall{rep}, call);
  co_await std::move(calling);
  co_return true;
}

}  // namespace rivera::bbs
