// The auctioneer's metrics (docs/spec/locket-and-auction.md §2.6).
#pragma once

#include <chrono>

#include "base/metrics/metrics.h"
#include "base/metrics/process_probe.h"

namespace rivera::auctioneer {

// Sends each metric when it is recorded, unless noted otherwise. Thread-safe.
class AuctioneerProbe {
 public:
  explicit AuctioneerProbe(base::Metrics& metrics);

  // The time to fetch the states of all cells for a batch, retries included.
  void states_fetched(std::chrono::nanoseconds took);
  void state_request_failed();
  // The results of a batch. Work counts as started if the cell's response is unknown.
  void batch_done(std::size_t lrps_started, std::size_t tasks_started, std::size_t lrps_failed,
                  std::size_t tasks_failed);
  // Not a metric of upstream; for Prometheus only.
  void placed(std::chrono::nanoseconds took);
  void request_served(std::chrono::nanoseconds took);
  void lock_held(bool is_held);

  // Called every report_interval.
  void report_lock() { lock_held_.send(); }
  // Called every 10 s.
  void report_runtime() { process_.report_runtime(); }

 private:
  base::ProcessProbe process_;
  base::DurationGauge& fetch_states_duration_;
  base::Counter& failed_cell_state_requests_;
  base::Counter& lrps_started_;
  base::Counter& tasks_started_;
  base::Counter& lrps_failed_;
  base::Counter& tasks_failed_;
  base::DurationGauge& placement_duration_;
  base::DurationGauge& request_latency_;
  base::Counter& request_count_;
  base::Gauge& lock_held_;
};

}  // namespace rivera::auctioneer
