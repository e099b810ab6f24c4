// The periodic comparison of the cell with the BBS (docs/spec/cell.md §1.15.1).
#pragma once

#include <chrono>

#include "base/asio.h"
#include "base/log/log.h"
#include "base/metrics/metrics.h"
#include "base/work/wait.h"
#include "clients/bbs_client.h"
#include "executor/executor.h"
#include "rep/operations/container_operations.h"
#include "rep/operations/operation_queue.h"

namespace rivera::rep {

// A pass lists containers, instances and tasks, and queues an operation for each container and each difference. The
// first pass is immediate, because the executor has resumed its containers by then. Passes are more frequent during an
// evacuation.
class BulkLoop {
 public:
  struct Parts {
    executor::Executor& executor;
    clients::BbsClient& bbs;
    OperationQueue& queue;
    ContainerOperations& operations;
    const EvacuationState& evacuation;
    base::Metrics& metrics;
  };
  BulkLoop(asio::any_io_executor executor, const Config& config, Parts parts, base::Logger logger);

  // Runs passes until cancelled.
  asio::awaitable<void> run();
  // Starts the next pass now.
  void wake() { woken_.notify_all(); }
  // Runs one pass. Throws, without having queued anything, if a request to the BBS fails.
  asio::awaitable<void> pass();

 private:
  const Config& config_;
  Parts parts_;
  base::Logger logger_;
  base::Condition woken_;
};

}  // namespace rivera::rep
