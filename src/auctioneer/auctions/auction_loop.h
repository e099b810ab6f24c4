// The auctions, one batch after the other.
#pragma once

#include <string>
#include <vector>

#include "auction/batch.h"
#include "auctioneer/auctions/cell_states.h"
#include "auctioneer/auctions/outcome.h"
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
  std::size_t workers = 1000;  // requests to cells at the same time
  // For asking all cells, however many there are, how slow and how often: whoever has not answered by then is left out.
  std::chrono::nanoseconds longest_state_fetch = std::chrono::seconds(60);
};

// Gathers start requests and, whenever there are any, runs an auction (docs/spec/locket-and-auction.md §4.1): lists the
// cells, asks each for its state, only then takes what has gathered, places it, sends it to the cells, tells the BBS
// what failed. While one batch is in work the next gathers. What waits is in memory only: convergence asks again for
// what a restart loses.
//
// Lives on `executor` (a strand or a single-threaded context); submit() may be awaited from anywhere. Everything given
// must outlive it.
class AuctionLoop {
 public:
  AuctionLoop(asio::any_io_executor executor, AuctionOptions options, clients::BbsClient& bbs,
              const clients::RepClientFactory& reps, base::WorkerPool& workers, const base::Clock& clock,
              AuctioneerProbe& probe, base::Logger logger);

  // Adds requests, valid ones, to the next batch. Even an empty list makes one. `trace` is the text of the request's
  // trace header; a batch runs under that of the first request since the last one.
  asio::awaitable<void> submit(std::vector<models::LRPStartRequest> requests, std::string trace);
  asio::awaitable<void> submit(std::vector<models::TaskStartRequest> requests, std::string trace);

  // Never returns by itself. To be run once.
  asio::awaitable<void> run();

 private:
  template <typename Request>
  asio::awaitable<void> take_in(std::vector<Request> requests, std::string trace);
  asio::awaitable<void> run_batch(std::string trace);
  asio::awaitable<std::vector<RegisteredCell>> list_cells(const std::string& trace, const base::Logger& logger);
  asio::awaitable<auction::Plan> place(const CellStates& states, const auction::Batch& batch);
  Failures finish(auction::Plan& plan, Failures rejected, const auction::Batch& batch, const CellStates& states,
                  const base::Logger& logger);

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
  std::string trace_;  // of the request that brought the first work
  base::Condition work_arrived_;
};

}  // namespace rivera::auctioneer
