// The auctioneer's metrics (docs/spec/locket-and-auction.md §2.6).
#pragma once

#include <chrono>

#include "base/metrics/metrics.h"
#include "base/metrics/process_probe.h"

namespace rivera::auctioneer {

// Sends each as it happens, except where a report says otherwise. Thread-safe.
class AuctioneerProbe {
 public:
  explicit AuctioneerProbe(base::Metrics& metrics);

  // Asking all cells of a batch for their state, repetitions included.
  void states_fetched(std::chrono::nanoseconds took);
  void state_request_failed();
  // What became of a batch. Work whose fate on the cell is unknown counts as started.
  void batch_done(std::size_t lrps_started, std::size_t tasks_started, std::size_t lrps_failed,
                  std::size_t tasks_failed);
  // Ours alone, for Prometheus.
  void placed(std::chrono::nanoseconds took);
  void request_served(std::chrono::nanoseconds took);
  void lock_held(bool is_held);

  // Every report_interval.
  void report_lock() { lock_held_.send(); }
  // Every 10 s.
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
