#include "bbs/convergence_loop.h"

#include <algorithm>

namespace rivera::bbs {

asio::awaitable<void> ConvergenceLoop::run() {
  co_await expect_cells();
  auto due = std::chrono::steady_clock::now() + options_.interval;
  for (;;) {
    const std::chrono::nanoseconds left = due - std::chrono::steady_clock::now();
    co_await base::sleep_for(std::min(left, options_.cell_interval));
    if (std::chrono::steady_clock::now() < due) {
      co_await look_at_cells();
    } else {
      co_await converge();
      due = std::chrono::steady_clock::now() + options_.interval;
    }
  }
}

asio::awaitable<void> ConvergenceLoop::converge() {
  try {
    CellIds present = co_await present_cells();
    co_await act(std::move(present), Part::kAll);
  } catch (const boost::system::system_error&) {
    throw;  // cancelled
  } catch (const std::exception& e) {
    logger_.error("failed", {{"error", e.what()}});
  }
}

asio::awaitable<void> ConvergenceLoop::look_at_cells() {
  try {
    CellIds present = co_await present_cells();
    if (acted_on_ && present != *acted_on_) co_await act(std::move(present), Part::kCausedByCells);
  } catch (const boost::system::system_error&) {
    throw;  // cancelled
  } catch (const std::exception& e) {
    logger_.error("failed-to-look-at-cells", {{"error", e.what()}});
  }
}

asio::awaitable<void> ConvergenceLoop::act(CellIds present, Part part) {
  const auto cells = std::make_shared<const CellIds>(std::move(present));
  co_await converge_lrps(cells, part);
  co_await converge_tasks(cells, part);
  acted_on_ = *cells;
}

// Those on which something is recorded to run.
asio::awaitable<void> ConvergenceLoop::expect_cells() {
  auto look = [](const Records& records) {
    CellIds cells;
    for (const auto& [cell, lrps] : records.cells()) cells.insert(cell);
    for (const auto& [guid, task] : records.tasks()) {
      if (task->task.state() == models::Task::Running) cells.insert(task->task.cell_id());
    }
    return cells;
  };
  const CellIds cells = co_await ledger_.read(std::move(look));
  watch_.expect(cells);
}

asio::awaitable<CellIds> ConvergenceLoop::present_cells() {
  std::vector<models::CellPresence> present;
  try {
    present = co_await cells_.list();
  } catch (const std::runtime_error&) {
    watch_.unreachable(clock_.now());
    throw;
  }
  CellIds ids;
  for (const models::CellPresence& cell : present) ids.insert(cell.cell_id());
  const std::size_t listed = ids.size();
  CellIds believed = watch_.believe(std::move(ids), clock_.now());
  if (believed.size() > listed) {
    logger_.error("missing-cells-not-believed", {{"listed", listed}, {"taken-for-present", believed.size()}});
  }
  co_return believed;
}

asio::awaitable<void> ConvergenceLoop::converge_lrps(std::shared_ptr<const CellIds> cells, Part part) {
  const auto started = std::chrono::steady_clock::now();
  const auto plan = std::make_shared<LRPConvergence>();
  Ledger::Operation operation = [plan, cells, part](Board& board, base::Timestamp now) {
    *plan = plan_lrp_convergence(board.records(), *cells, now);
    if (part == Part::kCausedByCells) *plan = caused_by_cells(std::move(*plan));
    return board.converge_lrps(*plan, *cells, now);
  };
  co_await ledger_.run(std::move(operation));
  if (part == Part::kAll) report(*plan, std::chrono::steady_clock::now() - started);
}

asio::awaitable<void> ConvergenceLoop::converge_tasks(std::shared_ptr<const CellIds> cells, Part part) {
  const auto started = std::chrono::steady_clock::now();
  const auto plan = std::make_shared<TaskConvergence>();
  Ledger::Operation operation = [plan, cells, part, durations = options_.tasks](Board& board, base::Timestamp now) {
    *plan = plan_task_convergence(board.records(), *cells, now, durations);
    if (part == Part::kCausedByCells) *plan = caused_by_cells(std::move(*plan));
    return board.converge_tasks(*plan, now);
  };
  co_await ledger_.run(std::move(operation));
  if (part == Part::kAll) report(*plan, std::chrono::steady_clock::now() - started);
}

void ConvergenceLoop::report(const LRPConvergence& plan, std::chrono::steady_clock::duration took) {
  const auto set = [this](const char* name, std::size_t value) { metrics_.set(name, static_cast<double>(value)); };
  const auto& counts = plan.counts;
  metrics_.increment("ConvergenceLRPRuns");
  metrics_.set("ConvergenceLRPDuration", std::chrono::duration<double>(took).count());
  set("LRPsUnclaimed", counts.unclaimed);
  set("LRPsClaimed", counts.claimed);
  set("LRPsRunning", counts.running);
  set("CrashedActualLRPs", counts.crashed);
  set("LRPsMissing", plan.missing.size());
  set("LRPsExtra", plan.retire.size());
  set("SuspectRunningActualLRPs", counts.suspect_running);
  set("SuspectClaimedActualLRPs", counts.suspect_claimed);
  set("LRPsDesired", counts.desired);
  set("CrashingDesiredLRPs", counts.crashing_desired);
  set("PresentCells", counts.present_cells);
  set("SuspectCells", counts.missing_cells);
  for (const std::string& domain : plan.expired_domains) metrics_.set("Domain", 0, {{"domain", domain}});
  for (const std::string& domain : plan.fresh_domains) metrics_.set("Domain", 1, {{"domain", domain}});
  logger_.debug("converged-lrps", {{"missing", plan.missing.size()},
                                   {"extra", plan.retire.size()},
                                   {"restarted", plan.restart.size()},
                                   {"lost", plan.lost.size()},
                                   {"returned", plan.returned.size()}});
}

void ConvergenceLoop::report(const TaskConvergence& plan, std::chrono::steady_clock::duration took) {
  const auto set = [this](const char* name, std::size_t value) { metrics_.set(name, static_cast<double>(value)); };
  metrics_.increment("ConvergenceTaskRuns");
  metrics_.set("ConvergenceTaskDuration", std::chrono::duration<double>(took).count());
  set("TasksPending", plan.counts.pending);
  set("TasksRunning", plan.counts.running);
  set("TasksCompleted", plan.counts.completed);
  set("TasksResolving", plan.counts.resolving);
  metrics_.increment("ConvergenceTasksPruned", static_cast<double>(plan.expired_completed.size()));
  metrics_.increment("ConvergenceTasksKicked",
                     static_cast<double>(plan.stuck_resolving.size() + plan.unanswered.size() + plan.pending.size()));
}

}  // namespace rivera::bbs
