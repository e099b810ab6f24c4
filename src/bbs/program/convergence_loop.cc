#include "bbs/program/convergence_loop.h"

#include <algorithm>
#include <span>

#include "base/work/cancellation.h"

namespace rivera::bbs {
namespace {

// Each run examines what has changed, and one of this many slices of all processes: with the default interval, each
// process once in half an hour. So no run costs more than another.
constexpr std::size_t kSlices = 60;
constexpr std::size_t kTasksAtOnce = 1'000;

// Adds what one portion found to what the run has found.
void add(const LRPConvergence::Counts& portion, LRPConvergence::Counts& whole) {
  whole.crashing_desired += portion.crashing_desired;
  whole.missing += portion.missing;
  whole.extra += portion.extra;
  whole.restarted += portion.restarted;
  whole.lost += portion.lost;
  whole.returned += portion.returned;
}

}  // namespace

asio::awaitable<void> ConvergenceLoop::run() {
  co_await expect_cells();
  auto due = std::chrono::steady_clock::now() + options_.interval;
  for (;;) {
    const std::chrono::nanoseconds left = due - std::chrono::steady_clock::now();
    co_await base::sleep_for(std::min(left, options_.cell_interval));
    if (std::chrono::steady_clock::now() < due) {
      co_await look_at_cells();
      co_await look_for_foreign_writes();
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

asio::awaitable<void> ConvergenceLoop::look_for_foreign_writes() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  try {
    co_await ledger_.reconcile_rest();
  } catch (const std::exception& e) {
    if (base::is_cancelled(cancellation)) throw;
    logger_.error("failed-to-look-for-foreign-writes", {{"error", e.what()}});
  }
}

asio::awaitable<void> ConvergenceLoop::act(CellIds present, Part part) {
  const auto cells = std::make_shared<const CellIds>(std::move(present));
  if (part == Part::kAll) co_await ledger_.reconcile_next();
  co_await converge_lrps(cells, part);
  if (part == Part::kAll) co_await ledger_.delete_lost_tasks();
  co_await converge_tasks(cells, part);
  acted_on_ = *cells;
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
  std::optional<Slice> slice;
  if (part == Part::kAll) slice = Slice{static_cast<std::size_t>(runs_++ % kSlices), kSlices};
  const auto examination = std::make_shared<Examination>();
  const auto whole = std::make_shared<LRPConvergence>();  // without its lists
  Ledger::Operation begin = [examination, whole, cells, slice](Board& board, base::Timestamp now) {
    *examination = processes_to_examine(board.records(), *cells, slice);
    Examination none;
    *whole = plan_next(board.records(), *cells, now, none, {});
    return Outcome();
  };
  co_await ledger_.run(std::move(begin));
  bool is_first = true;  // domains expire with the first portion, even if no process is examined
  for (; is_first || !examination->is_done(); is_first = false) {
    Ledger::Operation next = [examination, whole, cells, part](Board& board, base::Timestamp now) {
      LRPConvergence plan = plan_next(board.records(), *cells, now, *examination, {});
      if (part == Part::kCausedByCells) plan = caused_by_cells(std::move(plan));
      add(plan.counts, whole->counts);
      return board.converge_lrps(plan, *cells, now);
    };
    co_await ledger_.run(std::move(next));
  }
  if (part == Part::kAll) probe_.lrps_converged(*whole, std::chrono::steady_clock::now() - started);
  const LRPConvergence::Counts& counts = whole->counts;
  logger_.debug("converged-lrps", {{"missing", counts.missing},
                                   {"extra", counts.extra},
                                   {"restarted", counts.restarted},
                                   {"lost", counts.lost},
                                   {"returned", counts.returned}});
}

asio::awaitable<void> ConvergenceLoop::converge_tasks(std::shared_ptr<const CellIds> cells, Part part) {
  const auto started = std::chrono::steady_clock::now();
  auto list = [](const Records& records) {
    auto tasks = std::make_shared<std::vector<TaskPtr>>();
    tasks->reserve(records.tasks().size());
    for (const auto& [guid, task] : records.tasks()) tasks->push_back(task);
    return tasks;
  };
  const std::shared_ptr<std::vector<TaskPtr>> tasks = co_await ledger_.read(std::move(list));
  const auto whole = std::make_shared<TaskFindings>();
  for (std::size_t first = 0; first < tasks->size(); first += kTasksAtOnce) {
    Ledger::Operation next = [tasks, first, whole, cells, part, durations = options_.tasks](Board& board,
                                                                                            base::Timestamp now) {
      const auto some = std::span(*tasks).subspan(first, std::min(kTasksAtOnce, tasks->size() - first));
      TaskConvergence plan = plan_task_convergence(board.records(), some, *cells, now, durations);
      whole->add(plan);
      if (part == Part::kCausedByCells) plan = caused_by_cells(std::move(plan));
      return board.converge_tasks(plan, now);
    };
    co_await ledger_.run(std::move(next));
  }
  if (part == Part::kAll) probe_.tasks_converged(*whole, std::chrono::steady_clock::now() - started);
}

}  // namespace rivera::bbs
