// Runs convergence periodically and when cells are lost or return (docs/spec/bbs.md §5).
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
    // How long a cell must be absent before it is regarded as missing, where its absence is implausible: a presence's
    // TTL.
    std::chrono::nanoseconds confirmation = std::chrono::seconds(15);
    // How often to list the cells between runs.
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

  // Runs until cancelled: first after one interval, then each time an interval after the end of the last run. Between
  // runs, once there was a first one, reacts to a lost or returned cell as soon as it is noticed, and continues to look
  // for foreign writes where the run has ended; everything else waits for the next run. So each run begins a walk over
  // the store, and one over 250,000 instances takes less than three minutes.
  asio::awaitable<void> run();

  // One run for LRPs and tasks. Skipped if the cells cannot be listed; failures are logged.
  asio::awaitable<void> converge();
  // Lists the cells, and reacts if they differ from those of the last run.
  asio::awaitable<void> look_at_cells();

 private:
  // How much of a plan is executed.
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
  std::optional<CellIds> acted_on_;  // the cells of the last run
};

}  // namespace rivera::bbs
