// Two control machines: what happens when the active BBS or auctioneer is killed, or hangs.
#include <algorithm>
#include <csignal>
#include <mutex>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/app.h"
#include "harness/background.h"
#include "harness/machine_cluster.h"

namespace rivera::harness {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::IsEmpty;

// After the lock's time to live: the standby takes the lock, loads its records and serves.
constexpr seconds kTakeOver{10};
// And then: an auction, the start of a container on a busy machine, a route.
constexpr seconds kRouted{15};
// The auctioneer's lock has upstream's time to live, whatever `lock_ttl` says (docs/spec/locket-and-auction.md §2.4).
constexpr seconds kAuctioneerTtl{15};
// An auction that could not be asked for is asked for again when its instance has been unclaimed for so long
// (docs/spec/bbs.md §5.3).
constexpr seconds kStaleUnclaimed{30};

class Failover : public ::testing::Test {
 protected:
  static ClusterPlan plan(Store store) { return {.cells = {{}, {}}, .controls = 2, .store = store}; }
  static std::string other(const std::string& control) { return control == "control-1" ? "control-2" : "control-1"; }
};

// Desires processes with no instances, one after the other, and remembers those that were acknowledged.
class Writer {
 public:
  explicit Writer(const ClusterClient& cluster) : cluster_(cluster), loop_([this] { write_one(); }) {}

  std::set<std::string> acknowledged() const {
    const std::lock_guard lock(mutex_);
    return acknowledged_;
  }
  void stop() { loop_.stop(); }

 private:
  void write_one() {
    models::DesiredLRP lrp = a_process(cluster_, unique_guid("written"), "true");
    lrp.set_instances(0);
    cluster_.with_bbs([&](clients::BbsClient& bbs) -> asio::awaitable<bool> {
      co_await bbs.desire_lrp(lrp);
      co_return true;
    });
    const std::lock_guard lock(mutex_);
    acknowledged_.insert(lrp.process_guid());
  }

  const ClusterClient& cluster_;
  mutable std::mutex mutex_;
  std::set<std::string> acknowledged_;
  Background loop_;
};

std::set<std::string> stored(const ClusterClient& cluster) {
  const auto all = cluster.with_bbs([](clients::BbsClient& bbs) -> asio::awaitable<std::vector<models::DesiredLRP>> {
    models::DesiredLRPsRequest filter;
    auto found = co_await bbs.desired_lrps(std::move(filter));
    co_return found;
  });
  std::set<std::string> guids;
  for (const models::DesiredLRP& lrp : all) guids.insert(lrp.process_guid());
  return guids;
}

class BbsFailover : public Failover, public ::testing::WithParamInterface<int> {};

TEST_P(BbsFailover, LosesNothingAcknowledgedAndRoutesNewWork) {
  MachineCluster cluster(plan(Store::kPostgres));
  const RunningApp before(cluster, a_web_app(cluster, unique_guid("before"), 2));
  ASSERT_TRUE(eventually([&] { return before.serves(2); }));
  const std::string old = cluster.active_control();
  const int old_starts = cluster.machine(old).state_of("bbs").starts;
  Writer writer(cluster);
  ASSERT_TRUE(eventually([&] { return writer.acknowledged().size() > 20; }));

  if (GetParam() == SIGKILL) {
    cluster.machine(old).kill("bbs");
  } else {
    cluster.machine(old).signal("bbs", GetParam());
  }
  const auto since = steady_clock::now();
  const std::size_t acknowledged = writer.acknowledged().size();
  ASSERT_TRUE(
      eventually([&] { return writer.acknowledged().size() > acknowledged + 5; }, cluster.plan().lock_ttl + kTakeOver));
  RecordProperty("milliseconds_without_bbs",
                 static_cast<int>(duration_cast<milliseconds>(steady_clock::now() - since).count()));
  EXPECT_EQ(cluster.active_control(), other(old));
  const RunningApp after(cluster, a_web_app(cluster, unique_guid("after"), 2));
  EXPECT_TRUE(eventually([&] { return after.serves(2); }, kRouted)) << "new work is not placed or not routed";
  RecordProperty("milliseconds_until_new_work_is_routed",
                 static_cast<int>(duration_cast<milliseconds>(steady_clock::now() - since).count()));
  EXPECT_TRUE(before.serves(2));
  EXPECT_NO_THROW(cluster.run_cfdot("cells")) << "the operator's command line finds the BBS behind the name";

  if (GetParam() == SIGSTOP) {
    // Waking up, it finds that it has lost the lock: it ends, and its successor waits.
    cluster.machine(old).signal("bbs", SIGCONT);
    EXPECT_TRUE(eventually([&] { return cluster.machine(old).state_of("bbs").starts > old_starts; }, kTakeOver));
    EXPECT_EQ(cluster.active_control(), other(old));
  }
  writer.stop();
  const std::set<std::string> there = stored(cluster);
  std::set<std::string> lost;
  std::ranges::set_difference(writer.acknowledged(), there, std::inserter(lost, lost.end()));
  EXPECT_THAT(lost, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Signal, BbsFailover, ::testing::Values(SIGKILL, SIGSTOP),
                         [](const auto& test) { return test.param == SIGKILL ? "Killed" : "Stopped"; });

TEST_F(Failover, AnotherAuctioneerPlacesNewWorkAndWhatWasAskedForMeanwhile) {
  MachineCluster cluster(plan(Store::kSqlite));
  ASSERT_TRUE(eventually([&] { return !cluster.active_auctioneer().empty(); }));
  const std::string old = cluster.active_auctioneer();
  cluster.machine(old).kill("auctioneer");
  const RunningApp meanwhile(cluster, a_web_app(cluster, unique_guid("meanwhile"), 1));
  ASSERT_TRUE(eventually([&] { return cluster.active_auctioneer() == other(old); }, kAuctioneerTtl + kTakeOver));
  const RunningApp later(cluster, a_web_app(cluster, unique_guid("later"), 2));
  EXPECT_TRUE(eventually([&] { return later.serves(2); }, kRouted));
  EXPECT_TRUE(eventually([&] { return meanwhile.serves(1); }, kStaleUnclaimed + kRouted));
}

TEST_F(Failover, AStoppedLocketIsLeftForTheOther) {
  MachineCluster cluster(plan(Store::kPostgres));
  const std::string active = cluster.active_control();
  const int starts = cluster.machine(active).state_of("bbs").starts;
  cluster.machine("control-1").signal("locket", SIGSTOP);  // the first of the name's addresses
  const auto bbs_ended = [&] { return cluster.machine(active).state_of("bbs").starts != starts; };
  EXPECT_FALSE(eventually(bbs_ended, 3 * std::max(cluster.plan().lock_ttl, cluster.plan().cell_ttl)));
  EXPECT_EQ(cluster.active_control(), active);
  EXPECT_EQ(cluster.present_cells().size(), 2u);
  // A client that begins now finds the one that answers.
  cluster.machine("cell-1").kill("rep");
  cluster.start("cell-1", "rep");
  EXPECT_TRUE(eventually([&] { return cluster.present_cells().size() == 2; }, cluster.plan().cell_ttl + kTakeOver));
  const RunningApp app(cluster, a_web_app(cluster, unique_guid("app"), 2));
  EXPECT_TRUE(eventually([&] { return app.serves(2); }, kTakeOver + kRouted));
  EXPECT_NO_THROW(cluster.run_cfdot("presences")) << "the operator's command line finds Locket";
}

// How a machine with both active ones, BBS and auctioneer, is lost.
enum class Loss { kPowerOff, kPartition };

class MachineLoss : public Failover, public ::testing::WithParamInterface<Loss> {
 protected:
  // Has the active auctioneer on the machine of the active BBS, which it returns.
  static std::string gather(MachineCluster& cluster) {
    std::string both = cluster.active_control();
    if (cluster.active_auctioneer() == both) return both;
    cluster.machine(other(both)).kill("auctioneer");
    EXPECT_TRUE(eventually([&] { return cluster.active_auctioneer() == both; }, kAuctioneerTtl + kTakeOver));
    cluster.start(other(both), "auctioneer");
    return both;
  }
};

TEST_P(MachineLoss, TheOtherMachineTakesOverBothAndNewWorkIsRouted) {
  // In a partition the lost machine must not reach the locks.
  MachineCluster cluster(plan(GetParam() == Loss::kPartition ? Store::kPostgres : Store::kSqlite));
  const RunningApp before(cluster, a_web_app(cluster, unique_guid("before"), 2));
  ASSERT_TRUE(eventually([&] { return before.serves(2); }));
  const std::string old = gather(cluster);
  if (GetParam() == Loss::kPowerOff) {
    cluster.power_off(old);
  } else {
    cluster.isolate(old);
  }
  ASSERT_TRUE(eventually([&] { return cluster.active_control() == other(old); }, cluster.plan().lock_ttl + kTakeOver));
  ASSERT_TRUE(eventually([&] { return cluster.active_auctioneer() == other(old); }, kAuctioneerTtl + kTakeOver));
  const RunningApp after(cluster, a_web_app(cluster, unique_guid("after"), 2));
  EXPECT_TRUE(eventually([&] { return after.serves(2); }, kRouted)) << "new work is not placed or not routed";
  EXPECT_TRUE(before.serves(2));
  EXPECT_EQ(cluster.present_cells().size(), 2u) << "cells find the other Locket";
}

INSTANTIATE_TEST_SUITE_P(Kinds, MachineLoss, ::testing::Values(Loss::kPowerOff, Loss::kPartition),
                         [](const auto& test) { return test.param == Loss::kPowerOff ? "PowerOff" : "Partition"; });

}  // namespace
}  // namespace rivera::harness
