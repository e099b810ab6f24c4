#include "auctioneer/auctions/cell_states.h"

#include <map>
#include <optional>

#include "auctioneer/auctions/concurrency.h"
#include "base/work/cancellation.h"
#include "base/work/wait.h"

namespace rivera::auctioneer {
namespace {

constexpr int kRounds = 4;

// The cell's state; nullopt if the cell does not take part.
asio::awaitable<std::optional<models::CellState>> ask(const RegisteredCell& cell, AuctioneerProbe& probe,
                                                      const base::Logger& logger) {
  std::string failure;
  try {
    auto state = co_await cell.rep.state();
    // The address now belongs to another cell, or the presence is stale: the state is not that of the registered cell.
    if (!state.cell_id.empty() && state.cell_id != cell.cell_id) {
      logger.error("cell-id-mismatch", {{"cell-guid", cell.cell_id}, {"cell-state-guid", state.cell_id}});
      co_return std::nullopt;
    }
    if (state.evacuating) {
      logger.info("ignored-evacuating-cell", {{"cell-guid", cell.cell_id}});
      co_return std::nullopt;
    }
    co_return state;
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    failure = e.what();
  }
  probe.state_request_failed();
  logger.error("failed-to-get-state", {{"cell-guid", cell.cell_id}, {"error", failure}});
  co_return std::nullopt;
}

// The response of one cell in a round.
struct Answer {
  bool has_responded = false;  // a response or a failure
  std::optional<auction::CellSnapshot> snapshot;
};

asio::awaitable<CellStates> ask_all(const std::vector<RegisteredCell>& cells, std::size_t workers,
                                    std::chrono::nanoseconds limit, AuctioneerProbe& probe,
                                    const base::Logger& logger) {
  std::vector<Answer> answers(cells.size());
  // A coroutine's lambda must live as long as the coroutine; for_each_concurrently keeps it.
  std::function<asio::awaitable<void>(std::size_t)> ask_one = [&](std::size_t i) -> asio::awaitable<void> {
    auto state = co_await ask(cells[i], probe, logger);
    answers[i].has_responded = true;
    if (!state) co_return;
    answers[i].snapshot = auction::snapshot_of(std::move(*state));
    answers[i].snapshot->cell_id = cells[i].cell_id;  // cells may omit it
  };
  auto asking = for_each_concurrently(cells.size(), workers, std::move(ask_one), logger);
  std::string late;
  try {
    co_await base::within(limit, "asking the cells", std::move(asking));
  } catch (const base::DeadlineExceeded& e) {
    late = e.what();
  }

  CellStates states;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i].has_responded) {
      probe.state_request_failed();
      logger.error("failed-to-get-state", {{"cell-guid", cells[i].cell_id}, {"error", late}});
    }
    if (!answers[i].snapshot) continue;
    states.snapshots.push_back(std::move(*answers[i].snapshot));
    states.registered.push_back(i);
  }
  states.excluded = cells.size() - states.snapshots.size();
  co_return states;
}

void log_zones(const CellStates& states, const base::Logger& logger) {
  std::map<std::string_view, std::size_t> zones;
  for (const auto& cell : states.snapshots) ++zones[cell.zone];
  for (const auto& [zone, cells] : zones) logger.info("zone-state", {{"zone", zone}, {"cell-count", cells}});
}

}  // namespace

asio::awaitable<CellStates> fetch_cell_states(const std::vector<RegisteredCell>& cells, std::size_t workers,
                                              std::chrono::nanoseconds limit, AuctioneerProbe& probe,
                                              base::Logger logger) {
  logger.info("fetching-zone-state");
  const auto started = std::chrono::steady_clock::now();
  CellStates states;
  for (int round = 1; round <= kRounds; ++round) {
    const std::chrono::nanoseconds left = started + limit - std::chrono::steady_clock::now();
    if (left.count() <= 0) break;
    auto answers = co_await ask_all(cells, workers, left, probe, logger);
    states = std::move(answers);
    if (!states.snapshots.empty() || cells.empty()) break;
    logger.info(round < kRounds ? "failed-to-communicate-to-cells-retry" : "failed-to-communicate-to-cells-abort",
                {{"round", round}});
  }
  const auto took = std::chrono::steady_clock::now() - started;
  probe.states_fetched(took);
  log_zones(states, logger);
  logger.info("fetched-zone-state", {{"cell-state-count", states.snapshots.size()},
                                     {"num-failed-requests", states.excluded},
                                     {"duration", std::chrono::nanoseconds(took).count()}});
  co_return states;
}

}  // namespace rivera::auctioneer
