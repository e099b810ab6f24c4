// The auctioneer's metrics (docs/spec/locket-and-auction.md §2.6).
#pragma once

#include <chrono>

#include "base/metrics.h"

namespace rivera::auctioneer {

// Thread-safe.
class AuctioneerProbe {
 public:
  explicit AuctioneerProbe(base::Metrics& metrics);

  // Asking all cells of a batch for their state, repetitions included.
  void states_fetched(std::chrono::nanoseconds took);
  void state_request_failed();
  // What became of a batch. Work whose fate on the cell is unknown counts as started.
  void batch_done(std::size_t lrps_started, std::size_t tasks_started, std::size_t lrps_failed,
                  std::size_t tasks_failed);
  void placed(std::chrono::nanoseconds took);
  void request_served(std::chrono::nanoseconds took);
  void lock_held(bool is_held);

 private:
  base::Metrics& metrics_;
};

}  // namespace rivera::auctioneer
