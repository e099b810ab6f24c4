// No request keeps the event loop, on which the lock is kept, for longer than a portion of its work takes.
#include "bbs/program/bbs_harness.h"
#include "bbs/program/turn_watch_testing.h"
#include "models/testing/testing.h"

namespace rivera::bbs {
namespace {

constexpr int kManyInstances = 20'000;
// The work of one portion under a sanitizer. Without portions, the desire alone takes many times as long.
constexpr auto kLongestTurn = std::chrono::milliseconds(500);

class Turns : public BbsHarness {
 protected:
  Turns() {
    config_.convergence.interval = std::chrono::hours(1);  // when the test asks for it
    start();
    run(begin_to_watch());
  }
  ~Turns() override { run(end_to_watch()); }

  asio::awaitable<void> begin_to_watch() {
    watch_ = std::make_unique<TurnWatch>(home_);
    co_return;
  }
  asio::awaitable<void> end_to_watch() {
    co_await watch_->stop();
    watch_.reset();
  }
  std::chrono::milliseconds longest_turn() {
    const auto take = [](TurnWatch& watch) -> asio::awaitable<std::chrono::nanoseconds> { co_return watch.take(); };
    return std::chrono::duration_cast<std::chrono::milliseconds>(run(take(*watch_)));
  }

  void desire(int instances) {
    models::DesireLRPRequest request;
    *request.mutable_desired_lrp() =
        models::testing::a_desired_lrp("p").with_instances(instances).with_metric_tag("source_id", "app");
    ASSERT_FALSE(call<models::DesiredLRPLifecycleResponse>("/v1/desired_lrp/desire.r2", request).has_error());
  }
  void remove() {
    models::RemoveDesiredLRPRequest request;
    request.set_process_guid("p");
    ASSERT_FALSE(call<models::DesiredLRPLifecycleResponse>("/v1/desired_lrp/remove", request).has_error());
  }
  int actual_lrps() {
    return call<models::ActualLRPsResponse>("/v1/actual_lrps/list", models::ActualLRPsRequest()).actual_lrps_size();
  }

  std::unique_ptr<TurnWatch> watch_;
};

TEST_F(Turns, AProcessWithVeryManyInstancesIsMadeScaledAndDeletedInPortions) {
  desire(kManyInstances);
  EXPECT_LT(longest_turn(), kLongestTurn) << "desire";
  EXPECT_EQ(actual_lrps(), kManyInstances);
  EXPECT_LT(longest_turn(), kLongestTurn) << "list";

  models::UpdateDesiredLRPRequest scale;
  scale.set_process_guid("p");
  scale.mutable_update()->set_instances(kManyInstances / 2);
  ASSERT_FALSE(call<models::DesiredLRPLifecycleResponse>("/v1/desired_lrp/update", scale).has_error());
  EXPECT_LT(longest_turn(), kLongestTurn) << "update";
  EXPECT_EQ(actual_lrps(), kManyInstances / 2);

  longest_turn();
  remove();
  EXPECT_LT(longest_turn(), kLongestTurn) << "delete";
  EXPECT_EQ(actual_lrps(), 0);
}

TEST_F(Turns, ConvergenceRepairsVeryManyInstancesInPortions) {
  desire(kManyInstances);
  models::UpsertDomainRequest fresh;
  fresh.set_domain(models::testing::a_desired_lrp("p").build().domain());
  call<models::UpsertDomainResponse>("/v1/domains/upsert", fresh);
  // As if a BBS had ended before it had stopped the instances.
  database_->connect().execute("DELETE FROM desired_lrps");
  longest_turn();
  for (int runs = 0; runs < 4; ++runs) run(active_->converge());  // each compares some ten thousand rows
  EXPECT_LT(longest_turn(), kLongestTurn);
  EXPECT_EQ(actual_lrps(), 0);
}

}  // namespace
}  // namespace rivera::bbs
