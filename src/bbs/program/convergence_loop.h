// Putting records in order, again and again (docs/spec/bbs.md §5).
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "base/asio.h"
#include "base/log/log.h"
#include "bbs/api/bbs_probe.h"
#include "bbs/convergence/convergence.h"
#include "bbs/ledger/ledger.h"
#include "bbs/outgoing/cell_watch.h"
#include "bbs/outgoing/cells.h"

namespace rivera::bbs {

// Runs on the ledger's home strand.
class ConvergenceLoop {
 public:
  struct Options {
    std::chrono::nanoseconds interval = std::chrono::seconds(30);
    TaskDurations tasks;
    // How long a cell must be missed before that is believed, where it is hard to believe: a presence's TTL.
    std::chrono::nanoseconds confirmation = std::chrono::seconds(15);
    // How often to look which cells there are, between runs.
    std::chrono::nanoseconds cell_interval = std::chrono::seconds(5);
  };

  ConvergenceLoop(Ledger& ledger, Cells& cells, const base::Clock& clock, BbsProbe& probe, Options options,
                  base::Logger logger)
      : ledger_(ledger),
        cells_(cells),
        clock_(clock),
        probe_(probe),
        options_(options),
        logger_(logger.session("converge")),
        watch_(options.confirmation) {}

  // Until cancelled: the first run after one interval, each further one an interval after the end of the last. In
  // between, once there was a first run, a cell that goes or comes back is acted upon as soon as it is noticed; all
  // else keeps the pace of the runs.
  asio::awaitable<void> run();

  // One run of both halves. A list of cells that cannot be had skips it; failures are logged.
  asio::awaitable<void> converge();
  // Looks which cells there are, and acts if they are others than at the last run.
  asio::awaitable<void> look_at_cells();

 private:
  // How much of a plan is carried out.
  enum class Part { kAll, kCausedByCells };

  asio::awaitable<void> look_for_foreign_writes();
  asio::awaitable<void> expect_cells();
  asio::awaitable<CellIds> present_cells();
  asio::awaitable<void> act(CellIds present, Part part);
  asio::awaitable<void> converge_lrps(std::shared_ptr<const CellIds> cells, Part part);
  asio::awaitable<void> converge_tasks(std::shared_ptr<const CellIds> cells, Part part);

  Ledger& ledger_;
  Cells& cells_;
  const base::Clock& clock_;
  BbsProbe& probe_;
  Options options_;
  base::Logger logger_;
  CellWatch watch_;
  std::uint64_t runs_ = 0;
  std::chrono::steady_clock::time_point foreign_writes_due_;
  std::optional<CellIds> acted_on_;  // the cells of the last run
};

}  // namespace rivera::bbs
