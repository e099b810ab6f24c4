// Locket's metrics, as a Loggregator agent receives them.
#include <boost/json.hpp>

#include "base/config/config.h"
#include "clients/testing/test_ingress.h"
#include "locket/locks/locket_probe.h"
#include "locket/testing/locket_harness.h"

namespace rivera::locket {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using clients::ReceivedEnvelope;
using Kind = ReceivedEnvelope::Kind;

class Telemetry : public LocketHarness {
 protected:
  Telemetry() {
    stop();
    ingress_.start();
    const json::object object = json::parse(ingress_.config_for("locket", certificates_.client())).as_object();
    config_.loggregator = clients::read_loggregator_options(
        base::ConfigFile("locket.json", {{"loggregator", object}}, clients::loggregator_keys()));
    config_.report_interval = 50ms;
    start();
  }

  void lock(const std::string& key, clients::LocketType type) {
    run(client().lock({.key = key, .owner = "me", .type = type}, 60s));
  }
  ReceivedEnvelope wait_for(const std::string& name, double value) {
    return ingress_.wait_for(name, [&](const ReceivedEnvelope& e) { return e.name == name && e.value == value; });
  }
  ReceivedEnvelope wait_for(const std::string& name, const std::string& request_type, double least) {
    return ingress_.wait_for(name + " of " + request_type, [&](const ReceivedEnvelope& e) {
      return e.name == name && e.value >= least && e.tags.contains("request-type") &&
             e.tags.at("request-type") == request_type;
    });
  }

  clients::TestIngress ingress_{certificates_};
};

TEST_F(Telemetry, CountsLocksAndPresences) {
  lock("bbs", clients::LocketType::kLock);
  lock("cell-1", clients::LocketType::kPresence);
  lock("cell-2", clients::LocketType::kPresence);
  const auto locks = wait_for("ActiveLocks", 1);
  EXPECT_EQ(locks.kind, Kind::kGauge);
  EXPECT_EQ(locks.unit, "Metric");
  EXPECT_EQ(locks.source_id, "locket");
  EXPECT_EQ(locks.instance_id, "locket-0");
  EXPECT_EQ(locks.tags, (std::map<std::string, std::string>{{"origin", "locket"}}));
  wait_for("ActivePresences", 2);
}

TEST_F(Telemetry, CountsRequestsByTheirTypeAsGauges) {
  lock("bbs", clients::LocketType::kLock);
  try {
    run(client().lock({.key = "bbs", .owner = "other"}, 60s));
  } catch (const clients::LocketError&) {
    // the collision counts as a success
  }
  run(client().fetch("unknown"));
  const auto started = wait_for("RequestsStarted", "Lock", 2);
  EXPECT_EQ(started.kind, Kind::kGauge);
  EXPECT_EQ(started.unit, "Metric");
  EXPECT_EQ(wait_for("RequestsSucceeded", "Lock", 2).value, 2);
  EXPECT_EQ(wait_for("RequestsFailed", "Lock", 0).value, 0);
  EXPECT_EQ(wait_for("RequestsInFlight", "Lock", 0).kind, Kind::kGauge);
  EXPECT_EQ(wait_for("RequestsCancelled", "Release", 0).value, 0);
  EXPECT_EQ(wait_for("RequestsStarted", "Fetch", 1).value, 1);
  EXPECT_EQ(wait_for("RequestsStarted", "FetchAll", 0).value, 0);
  EXPECT_EQ(wait_for("RequestLatencyMax", "Lock", 1).unit, "nanos");
}

TEST_F(Telemetry, ReportsItsDatabase) {
  EXPECT_GE(ingress_.wait_for("DBOpenConnections").value, 1);
  EXPECT_GT(ingress_.wait_for("DBQueriesTotal").value, 0);
  EXPECT_GT(ingress_.wait_for("DBQueriesSucceeded").value, 0);
  EXPECT_EQ(ingress_.wait_for("DBQueriesFailed").value, 0);
  EXPECT_EQ(ingress_.wait_for("DBWaitDuration").unit, "nanos");
  EXPECT_EQ(ingress_.wait_for("DBQueryDurationMax").unit, "nanos");
}

TEST_F(Telemetry, KeepsRunningWithoutTheAgent) {
  ingress_.wait_for("ActiveLocks");
  ingress_.stop();
  lock("bbs", clients::LocketType::kLock);
  ingress_.start();
  wait_for("ActiveLocks", 1);
}

TEST(LocketProbe, SendsWhatExpiredAsTotals) {
  struct Sink final : base::MetricSink {
    void send_counter(const std::string&, std::uint64_t, const base::MetricLabels&) override {}
    void send_gauge(const std::string& name, double value, const std::string&, const base::MetricLabels&) override {
      gauges[name] = value;
    }
    std::map<std::string, double> gauges;
  } sink;
  base::Metrics metrics("locket", &sink);
  LocketProbe probe(metrics);
  probe.expired("lock");
  probe.expired("presence");
  probe.expired("presence");
  probe.report_expired();
  EXPECT_EQ(sink.gauges, (std::map<std::string, double>{{"LocksExpired", 1}, {"PresenceExpired", 2}}));
}

}  // namespace
}  // namespace rivera::locket
