#include "auctioneer/auctions/auctioneer_probe.h"

namespace rivera::auctioneer {
namespace {

void count_and_send(base::Counter& counter, std::size_t by) {
  counter.increment(by);
  counter.send_growth();
}

void set_and_send(base::DurationGauge& gauge, std::chrono::nanoseconds value) {
  gauge.set(value);
  gauge.send();
}

}  // namespace

AuctioneerProbe::AuctioneerProbe(base::Metrics& metrics)
    : process_(metrics),
      fetch_states_duration_(metrics.duration("AuctioneerFetchStatesDuration")),
      failed_cell_state_requests_(metrics.counter("AuctioneerFailedCellStateRequests")),
      lrps_started_(metrics.counter("AuctioneerLRPAuctionsStarted")),
      tasks_started_(metrics.counter("AuctioneerTaskAuctionsStarted")),
      lrps_failed_(metrics.counter("AuctioneerLRPAuctionsFailed")),
      tasks_failed_(metrics.counter("AuctioneerTaskAuctionsFailed")),
      placement_duration_(metrics.duration("AuctioneerPlacementDuration")),
      request_latency_(metrics.duration("RequestLatency")),
      request_count_(metrics.counter("RequestCount")),
      lock_held_(metrics.gauge("LockHeld")) {}

void AuctioneerProbe::states_fetched(std::chrono::nanoseconds took) { set_and_send(fetch_states_duration_, took); }

void AuctioneerProbe::state_request_failed() { count_and_send(failed_cell_state_requests_, 1); }

void AuctioneerProbe::batch_done(std::size_t lrps_started, std::size_t tasks_started, std::size_t lrps_failed,
                                 std::size_t tasks_failed) {
  count_and_send(lrps_started_, lrps_started);
  count_and_send(tasks_started_, tasks_started);
  count_and_send(lrps_failed_, lrps_failed);
  count_and_send(tasks_failed_, tasks_failed);
}

void AuctioneerProbe::placed(std::chrono::nanoseconds took) { placement_duration_.set(took); }

void AuctioneerProbe::request_served(std::chrono::nanoseconds took) {
  set_and_send(request_latency_, took);
  count_and_send(request_count_, 1);
}

void AuctioneerProbe::lock_held(bool is_held) { lock_held_.set(is_held ? 1 : 0); }

}  // namespace rivera::auctioneer
