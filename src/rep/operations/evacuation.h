// Emptying a cell (docs/spec/cell.md §1.16).
#pragma once

#include <functional>

#include "base/asio.h"
#include "base/log/log.h"
#include "base/metrics/metrics.h"
#include "base/work/wait.h"
#include "clients/bbs_client.h"
#include "executor/executor.h"
#include "rep/operations/container_operations.h"
#include "rep/settings/config.h"

namespace rivera::rep {

// Waits for an evacuation to be asked for, then until the cell is empty or the time is over. What is moved, and how,
// is the business of the bulk passes.
class Evacuator {
 public:
  Evacuator(asio::any_io_executor executor, const Config& config, executor::Executor& containers,
            EvacuationState& state, base::Logger logger);

  // The first call begins the evacuation, which cannot be undone; `on_begin` is called once.
  void begin();
  void on_begin(std::function<void()> handler) { on_begin_ = std::move(handler); }

  // Returns when a begun evacuation is over.
  asio::awaitable<void> run();

 private:
  const Config& config_;
  executor::Executor& containers_;
  EvacuationState& state_;
  base::Logger logger_;
  std::function<void()> on_begin_;
  base::Condition begun_;
};

// Destroys every container, all at once, within the cleanup limit. The BBS is only asked how many evacuating records
// stay behind. Throws std::runtime_error("failed-to-cleanup-all-containers") if containers are left, and what the BBS
// client throws if the BBS does not answer: then none was touched.
asio::awaitable<void> destroy_all_containers(const Config& config, executor::Executor& containers,
                                             clients::BbsClient& bbs, base::Metrics& metrics, base::Logger logger);

}  // namespace rivera::rep
