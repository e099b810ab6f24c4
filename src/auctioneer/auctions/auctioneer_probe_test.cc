#include "auctioneer/auctions/auctioneer_probe.h"

#include <gtest/gtest.h>

namespace rivera::auctioneer {
namespace {

using namespace std::chrono_literals;

// What was sent, in order: "name +growth" for counters, "name value unit" for gauges.
class Recorder final : public base::MetricSink {
 public:
  void send_counter(const std::string& name, std::uint64_t growth, const base::MetricLabels&) override {
    sent.push_back(name + " +" + std::to_string(growth));
  }
  void send_gauge(const std::string& name, double value, const std::string& unit, const base::MetricLabels&) override {
    sent.push_back(name + " " + std::to_string(static_cast<std::int64_t>(value)) + " " + unit);
  }
  std::vector<std::string> sent;
};

class AuctioneerProbeTest : public ::testing::Test {
 protected:
  Recorder recorder_;
  base::Metrics metrics_{"auctioneer", &recorder_};
  AuctioneerProbe probe_{metrics_};
};

using Sent = std::vector<std::string>;

TEST_F(AuctioneerProbeTest, SendsTheOutcomeOfEachBatchInUpstreamsOrderZerosIncluded) {
  probe_.states_fetched(3ms);
  probe_.batch_done(2, 0, 1, 0);
  EXPECT_EQ(recorder_.sent, (Sent{"AuctioneerFetchStatesDuration 3000000 nanos", "AuctioneerLRPAuctionsStarted +2",
                                  "AuctioneerTaskAuctionsStarted +0", "AuctioneerLRPAuctionsFailed +1",
                                  "AuctioneerTaskAuctionsFailed +0"}));
}

TEST_F(AuctioneerProbeTest, SendsEachRequestAndEachFailureOfACell) {
  probe_.request_served(1us);
  probe_.state_request_failed();
  EXPECT_EQ(recorder_.sent,
            (Sent{"RequestLatency 1000 nanos", "RequestCount +1", "AuctioneerFailedCellStateRequests +1"}));
}

TEST_F(AuctioneerProbeTest, ReportsWhetherItHoldsTheLock) {
  probe_.report_lock();
  probe_.lock_held(true);
  probe_.report_lock();
  EXPECT_EQ(recorder_.sent, (Sent{"LockHeld 0 Metric", "LockHeld 1 Metric"}));
}

TEST_F(AuctioneerProbeTest, KeepsWhatIsOursOutOfLoggregator) {
  probe_.placed(1ms);
  EXPECT_TRUE(recorder_.sent.empty());
  EXPECT_NE(metrics_.prometheus_text().find("auctioneer_auctioneer_placement_duration 0.001"), std::string::npos);
}

}  // namespace
}  // namespace rivera::auctioneer
