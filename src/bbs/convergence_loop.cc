#include "bbs/convergence_loop.h"

namespace rivera::bbs {
namespace {

// Every so many runs look at all records: with the usual interval, once in ten minutes.
constexpr std::uint64_t kRunsToASweep = 20;

}  // namespace

asio::awaitable<void> ConvergenceLoop::run() {
  for (;;) {
    co_await base::sleep_for(options_.interval);
    co_await converge();
  }
}

asio::awaitable<void> ConvergenceLoop::converge() {
  try {
    CellIds present = co_await present_cells();
    const auto cells = std::make_shared<const CellIds>(std::move(present));
    co_await ledger_.reconcile();
    co_await converge_lrps(cells);
    co_await ledger_.delete_lost_tasks();
    co_await converge_tasks(cells);
  } catch (const boost::system::system_error&) {
    throw;  // cancelled
  } catch (const std::exception& e) {
    logger_.error("failed", {{"error", e.what()}});
  }
}

asio::awaitable<CellIds> ConvergenceLoop::present_cells() {
  const std::vector<models::CellPresence> present = co_await cells_.list();
  CellIds ids;
  for (const models::CellPresence& cell : present) ids.insert(cell.cell_id());
  const std::size_t listed = ids.size();
  CellIds believed = watch_.believe(std::move(ids), clock_.now());
  if (believed.size() > listed) {
    logger_.error("many-cells-missing-at-once", {{"listed", listed}, {"taken-for-present", believed.size()}});
  }
  co_return believed;
}

asio::awaitable<void> ConvergenceLoop::converge_lrps(std::shared_ptr<const CellIds> cells) {
  const auto started = std::chrono::steady_clock::now();
  const auto plan = std::make_shared<LRPConvergence>();
  const Scope scope = runs_++ % kRunsToASweep == 0 ? Scope::kAll : Scope::kUnsettled;
  Ledger::Operation operation = [plan, cells, scope](Board& board, base::Timestamp now) {
    *plan = plan_lrp_convergence(board.records(), *cells, now, scope);
    return board.converge_lrps(*plan, *cells, now);
  };
  co_await ledger_.run(std::move(operation));
  probe_.lrps_converged(*plan, std::chrono::steady_clock::now() - started);
  logger_.debug("converged-lrps", {{"missing", plan->missing.size()},
                                   {"extra", plan->retire.size()},
                                   {"restarted", plan->restart.size()},
                                   {"lost", plan->lost.size()},
                                   {"returned", plan->returned.size()}});
}

asio::awaitable<void> ConvergenceLoop::converge_tasks(std::shared_ptr<const CellIds> cells) {
  const auto started = std::chrono::steady_clock::now();
  const auto plan = std::make_shared<TaskConvergence>();
  Ledger::Operation operation = [plan, cells, durations = options_.tasks](Board& board, base::Timestamp now) {
    *plan = plan_task_convergence(board.records(), *cells, now, durations);
    return board.converge_tasks(*plan, now);
  };
  co_await ledger_.run(std::move(operation));
  probe_.tasks_converged(*plan, std::chrono::steady_clock::now() - started);
}

}  // namespace rivera::bbs
