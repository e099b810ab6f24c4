// Evacuation of a cell (docs/spec/cell.md §1.16).
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

// Waits for the request to evacuate, and then until the cell is empty or the timeout has passed. The bulk passes move
// the instances.
class Evacuator {
 public:
  Evacuator(asio::any_io_executor executor, const Config& config, executor::Executor& containers,
            EvacuationState& state, base::Logger logger);

  // Begins the evacuation, which cannot be undone. Later calls have no effect.
  void begin();
  void on_begin(std::function<void()> handler) { on_begin_ = std::move(handler); }

  // Returns when an evacuation has ended.
  asio::awaitable<void> run();

 private:
  const Config& config_;
  executor::Executor& containers_;
  EvacuationState& state_;
  base::Logger logger_;
  std::function<void()> on_begin_;
  base::Condition begun_;
};

// Destroys all containers concurrently, within the cleanup limit. Asks the BBS for the number of evacuating records
// that remain, for a metric. Throws std::runtime_error("failed-to-cleanup-all-containers") if containers are left, and
// the exception of the BBS client, before any container is destroyed, if that request fails.
asio::awaitable<void> destroy_all_containers(const Config& config, executor::Executor& containers,
                                             clients::BbsClient& bbs, base::Metrics& metrics, base::Logger logger);

}  // namespace rivera::rep
