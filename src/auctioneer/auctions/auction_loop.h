// Runs auctions, one batch after another.
#pragma once

#include <string>
#include <vector>

#include "auction/batch.h"
#include "auctioneer/auctions/batch_failures.h"
#include "auctioneer/auctions/cell_states.h"
#include "base/asio.h"
#include "base/clock.h"
#include "base/log/log.h"
#include "base/work/wait.h"
#include "base/work/worker_pool.h"
#include "clients/bbs_client.h"
#include "clients/rep_client.h"

namespace rivera::auctioneer {

struct AuctionOptions {
  auction::PlacementOptions placement;
  std::size_t workers = 1000;  // concurrent requests to cells
  // The time to fetch the states of all cells, retries included. A cell that has not responded by then is left out.
  std::chrono::nanoseconds longest_state_fetch = std::chrono::seconds(60);
};

// Collects start requests and, while there are any, runs auctions (docs/spec/locket-and-auction.md §4.1): lists the
// cells, fetches their states, only then takes the collected requests, places them, sends the work to the cells, and
// reports failures to the BBS. Requests that arrive during a batch are collected for the next one. They are in memory
// only: convergence requests again what a restart loses.
//
// Lives on `executor` (a strand or a single-threaded context); submit() may be awaited on any executor. All arguments
// must outlive it.
class AuctionLoop {
 public:
  AuctionLoop(asio::any_io_executor executor, AuctionOptions options, clients::BbsClient& bbs,
              const clients::RepClientFactory& reps, base::WorkerPool& workers, const base::Clock& clock,
              AuctioneerProbe& probe, base::Logger logger);

  // Adds valid requests to the next batch. Even an empty list causes a batch. `trace` is the request's trace header; a
  // batch runs under the trace of its first request.
  asio::awaitable<void> submit(std::vector<models::LRPStartRequest> requests, std::string trace);
  asio::awaitable<void> submit(std::vector<models::TaskStartRequest> requests, std::string trace);

  // Runs until cancelled. Call once.
  asio::awaitable<void> run();

 private:
  template <typename Request>
  asio::awaitable<void> take_in(std::vector<Request> requests, std::string trace);
  asio::awaitable<void> run_batch(std::string trace);
  asio::awaitable<std::vector<RegisteredCell>> list_cells(const std::string& trace, const base::Logger& logger);
  asio::awaitable<auction::Plan> place(const CellStates& states, const auction::Batch& batch);
  BatchFailures finish(auction::Plan& plan, BatchFailures rejected, const auction::Batch& batch,
                       const CellStates& states, const base::Logger& logger);

  asio::any_io_executor executor_;
  AuctionOptions options_;
  clients::BbsClient& bbs_;
  const clients::RepClientFactory& reps_;
  base::WorkerPool& workers_;
  const base::Clock& clock_;
  AuctioneerProbe& probe_;
  base::Logger logger_;

  auction::Batch pending_;
  bool has_work_ = false;
  std::string trace_;  // of the batch's first request
  base::Condition work_arrived_;
};

}  // namespace rivera::auctioneer
