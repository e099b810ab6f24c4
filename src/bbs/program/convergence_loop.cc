#include "bbs/program/convergence_loop.h"

#include <algorithm>

#include "base/work/cancellation.h"

namespace rivera::bbs {
namespace {

// One in this many runs examines all records: with the default interval, once in ten minutes.
constexpr std::uint64_t kRunsToASweep = 20;

}  // namespace

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
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  try {
    CellIds present = co_await present_cells();
    co_await act(std::move(present), Part::kAll);
  } catch (const std::exception& e) {
    if (base::is_cancelled(cancellation)) throw;
    logger_.error("failed", {{"error", e.what()}});
  }
}

asio::awaitable<void> ConvergenceLoop::look_at_cells() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  try {
    CellIds present = co_await present_cells();
    if (acted_on_ && present != *acted_on_) co_await act(std::move(present), Part::kCausedByCells);
  } catch (const std::exception& e) {
    if (base::is_cancelled(cancellation)) throw;
    logger_.error("failed-to-look-at-cells", {{"error", e.what()}});
  }
}

asio::awaitable<void> ConvergenceLoop::act(CellIds present, Part part) {
  const auto cells = std::make_shared<const CellIds>(std::move(present));
  if (part == Part::kAll) co_await look_for_foreign_writes();
  co_await converge_lrps(cells, part);
  if (part == Part::kAll) co_await ledger_.delete_lost_tasks();
  co_await converge_tasks(cells, part);
  acted_on_ = *cells;
}

// Reads every row: at each run if that takes a few milliseconds, else seldom enough to take at most a hundredth of the
// time.
asio::awaitable<void> ConvergenceLoop::look_for_foreign_writes() {
  const auto started = std::chrono::steady_clock::now();
  if (started < foreign_writes_due_) co_return;
  co_await ledger_.reconcile();
  const auto ended = std::chrono::steady_clock::now();
  foreign_writes_due_ = ended + 99 * (ended - started);
}

// The cells with recorded LRPs or tasks.
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
  const bool sweeps = part == Part::kAll && runs_++ % kRunsToASweep == 0;
  const Scope scope = sweeps ? Scope::kAll : Scope::kUnsettled;
  Ledger::Operation operation = [plan, cells, part, scope](Board& board, base::Timestamp now) {
    *plan = plan_lrp_convergence(board.records(), *cells, now, scope);
    if (part == Part::kCausedByCells) *plan = caused_by_cells(std::move(*plan));
    return board.converge_lrps(*plan, *cells, now);
  };
  co_await ledger_.run(std::move(operation));
  if (part == Part::kAll) probe_.lrps_converged(*plan, std::chrono::steady_clock::now() - started);
  logger_.debug("converged-lrps", {{"missing", plan->missing.size()},
                                   {"extra", plan->retire.size()},
                                   {"restarted", plan->restart.size()},
                                   {"lost", plan->lost.size()},
                                   {"returned", plan->returned.size()}});
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
  if (part == Part::kAll) probe_.tasks_converged(*plan, std::chrono::steady_clock::now() - started);
}

}  // namespace rivera::bbs
