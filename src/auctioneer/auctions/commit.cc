#include "auctioneer/auctions/commit.h"

#include <optional>
#include <unordered_map>

#include "auctioneer/auctions/concurrency.h"
#include "base/work/cancellation.h"

namespace rivera::auctioneer {
namespace {

models::Work work_for(const auction::CellAssignment& assignment, const auction::Batch& batch, std::string cell_id) {
  models::Work work;
  work.cell_id = std::move(cell_id);
  for (const auto position : assignment.lrps) work.lrps.push_back(batch.lrps()[position].lrp);
  for (const auto position : assignment.tasks) work.tasks.push_back(batch.tasks()[position].task);
  return work;
}

// The rejected work; nullopt if the call failed and the result is unknown.
asio::awaitable<std::optional<models::Work>> send(const RegisteredCell& cell, models::Work work,
                                                  const base::Logger& logger) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  std::string failure;
  try {
    auto rejected = co_await cell.rep.perform_work(std::move(work));
    co_return rejected;
  } catch (const std::exception& e) {
    if (base::is_cancelled(cancellation)) throw;
    failure = e.what();
  }
  logger.error("failed-to-commit", {{"cell-guid", cell.cell_id}, {"error", failure}});
  co_return std::nullopt;
}

// Upstream sends no text here, which the BBS then refuses. This text is the cell's reason, or names the cell.
std::string reason_for(const models::Work& rejected, const std::string& item, const std::string& cell_id) {
  const auto found = rejected.rejection_reasons.find(item);
  if (found != rejected.rejection_reasons.end() && !found->second.empty()) return found->second;
  return "rejected by cell " + cell_id;
}

// Finds the positions of rejected items among the sent ones, each once.
class SentItems {
 public:
  void add(std::string identifier, std::size_t position) { positions_.emplace(std::move(identifier), position); }

  void reject(const std::string& identifier, std::string reason, std::vector<auction::FailedItem>& failed) {
    const auto found = positions_.find(identifier);
    if (found == positions_.end()) return;
    failed.push_back({found->second, std::move(reason)});
    positions_.erase(found);
  }

 private:
  std::unordered_map<std::string, std::size_t> positions_;
};

void collect(const models::Work& rejected, const auction::CellAssignment& assignment, const auction::Batch& batch,
             const std::string& cell_id, BatchFailures& failures) {
  if (rejected.empty()) return;
  SentItems lrps;
  for (const auto position : assignment.lrps) lrps.add(batch.lrps()[position].lrp.identifier(), position);
  for (const auto& lrp : rejected.lrps) {
    const std::string identifier = lrp.identifier();
    lrps.reject(identifier, reason_for(rejected, identifier, cell_id), failures.lrps);
  }
  SentItems tasks;
  for (const auto position : assignment.tasks) tasks.add(batch.tasks()[position].task.task_guid, position);
  for (const auto& task : rejected.tasks) {
    tasks.reject(task.task_guid, reason_for(rejected, task.task_guid, cell_id), failures.tasks);
  }
}

}  // namespace

asio::awaitable<BatchFailures> commit(const auction::Plan& plan, const auction::Batch& batch, const CellStates& states,
                                      const std::vector<RegisteredCell>& cells, std::size_t workers,
                                      base::Logger logger) {
  BatchFailures failures;
  std::function<asio::awaitable<void>(std::size_t)> send_one = [&](std::size_t i) -> asio::awaitable<void> {
    const auto& assignment = plan.cells[i];
    const RegisteredCell& cell = cells[states.registered[assignment.cell]];
    models::Work work = work_for(assignment, batch, cell.cell_id);
    const auto rejected = co_await send(cell, std::move(work), logger);
    if (rejected) collect(*rejected, assignment, batch, cell.cell_id, failures);
  };
  co_await for_each_concurrently(plan.cells.size(), workers, std::move(send_one), logger);
  co_return failures;
}

}  // namespace rivera::auctioneer
