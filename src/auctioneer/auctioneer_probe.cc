#include "auctioneer/auctioneer_probe.h"

namespace rivera::auctioneer {
namespace {

double nanos(std::chrono::nanoseconds duration) { return static_cast<double>(duration.count()); }

}  // namespace

AuctioneerProbe::AuctioneerProbe(base::Metrics& metrics) : metrics_(metrics) { lock_held(false); }

void AuctioneerProbe::states_fetched(std::chrono::nanoseconds took) {
  metrics_.set("AuctioneerFetchStatesDuration", nanos(took));
}

void AuctioneerProbe::state_request_failed() { metrics_.increment("AuctioneerFailedCellStateRequests"); }

void AuctioneerProbe::batch_done(std::size_t lrps_started, std::size_t tasks_started, std::size_t lrps_failed,
                                 std::size_t tasks_failed) {
  metrics_.increment("AuctioneerLRPAuctionsStarted", static_cast<double>(lrps_started));
  metrics_.increment("AuctioneerTaskAuctionsStarted", static_cast<double>(tasks_started));
  metrics_.increment("AuctioneerLRPAuctionsFailed", static_cast<double>(lrps_failed));
  metrics_.increment("AuctioneerTaskAuctionsFailed", static_cast<double>(tasks_failed));
}

void AuctioneerProbe::placed(std::chrono::nanoseconds took) {
  metrics_.set("AuctioneerPlacementDuration", nanos(took));
}

void AuctioneerProbe::request_served(std::chrono::nanoseconds took) {
  metrics_.set("RequestLatency", nanos(took));
  metrics_.increment("RequestCount");
}

void AuctioneerProbe::lock_held(bool is_held) { metrics_.set("LockHeld", is_held ? 1 : 0); }

}  // namespace rivera::auctioneer
