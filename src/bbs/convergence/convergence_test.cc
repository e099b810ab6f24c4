#include "bbs/board/board_testing.h"

namespace rivera::bbs {
namespace {

class Convergence : public BoardTest {
 protected:
  void remove_ordinary(const std::string& guid, int index) {
    models::RemoveActualLRPRequest request;
    request.set_process_guid(guid);
    request.set_index(index);
    ASSERT_FALSE(board_.remove(request).error);
  }
};

TEST_F(Convergence, FindsNothingToDoWhereAllIsInOrder) {
  make_domain_fresh();
  desire("p", 2);
  start("p", 0, "cell", "i");
  claim("p", 1, "cell", "j");
  const Outcome outcome = converge({"cell"});
  EXPECT_TRUE(outcome.changes.empty());
  EXPECT_TRUE(outcome.follow_ups.empty());
}

TEST_F(Convergence, RequestsAnAuctionForEachMissingIndex) {
  desire("p", 3);
  remove_ordinary("p", 0);
  remove_ordinary("p", 2);
  const Outcome outcome = converge({});
  const auto auctions = follow_ups_of<AuctionLRP>(outcome);
  ASSERT_EQ(auctions.size(), 1u);
  EXPECT_EQ(auctions[0].indices, std::vector<std::int32_t>({0, 2}));
  EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"created", "created"}));
  EXPECT_TRUE(converge({}).changes.empty()) << "a second run has nothing left to create";
}

TEST_F(Convergence, SeesAWrongIndexBehindARightCount) {
  make_domain_fresh();
  desire("p", 2);
  remove_ordinary("p", 1);
  start("p", 7, "cell", "i");
  const Outcome outcome = converge({"cell"});
  EXPECT_EQ(ordinary("p", 1).state(), "UNCLAIMED");
  ASSERT_EQ(follow_ups_of<StopInstance>(outcome).size(), 1u);
}

TEST_F(Convergence, AuctionsStaleUnclaimedInstancesWithoutChangingThem) {
  desire("p", 1);
  clock_.advance(30s);
  EXPECT_TRUE(converge({}).follow_ups.empty());
  clock_.advance(1ns);
  const Outcome outcome = converge({});
  EXPECT_EQ(follow_ups_of<AuctionLRP>(outcome).size(), 1u);
  EXPECT_TRUE(outcome.changes.empty());
}

TEST_F(Convergence, RestartsCrashedInstancesAfterTheirBackOff) {
  desire("p", 1);
  for (int i = 0; i < 3; ++i) {
    start("p", 0, "cell", "i");
    crash("p", 0, "cell", "i");
  }
  clock_.advance(30s - 1ns);
  EXPECT_TRUE(converge({"cell"}).changes.empty());
  clock_.advance(1ns);
  const Outcome outcome = converge({"cell"});
  EXPECT_EQ(ordinary("p", 0).state(), "UNCLAIMED");
  EXPECT_EQ(ordinary("p", 0).crash_count(), 3);
  EXPECT_EQ(follow_ups_of<AuctionLRP>(outcome).size(), 1u);
  EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"created", "removed"}));
  EXPECT_EQ(events_in(outcome, Hub::kGroup), Names({"changed"}));
}

TEST_F(Convergence, RemovesWhatIsNotDesiredOnlyInFreshDomains) {
  start("undesired", 0, "cell", "i");
  start("undesired", 1, "lost", "j");
  EXPECT_TRUE(converge({"cell"}).follow_ups.empty());
  EXPECT_EQ(lrps("undesired", 1).slots[0]->lrp.state(), "RUNNING");
  make_domain_fresh();
  const Outcome outcome = converge({"cell"});
  ASSERT_EQ(follow_ups_of<StopInstance>(outcome).size(), 1u);
  EXPECT_EQ(ordinary("undesired", 0).state(), "RUNNING") << "its rep removes it";
  EXPECT_TRUE(lrps("undesired", 1).empty()) << "there is no rep to ask";
}

TEST_F(Convergence, ForgetsExpiredDomains) {
  models::UpsertDomainRequest request;
  request.set_domain("d");
  request.set_ttl(10);
  board_.upsert_domain(request, now());
  clock_.advance(10s);
  const auto plan = plan_lrp_convergence(board_.records(), {}, now());
  EXPECT_TRUE(plan.fresh_domains.empty());
  converge({});
  EXPECT_FALSE(board_.records().domain("d"));
}

TEST_F(Convergence, KeepsInstancesOfALostCellAsSuspectsAndReplacesThem) {
  desire("p", 1);
  start("p", 0, "cell", "i");
  const auto before = ordinary("p", 0);
  const Outcome outcome = converge({});
  const ActualLRPPtr suspect = lrps("p", 0).suspect();
  ASSERT_TRUE(suspect);
  EXPECT_EQ(suspect->lrp.state(), "RUNNING");
  EXPECT_EQ(suspect->lrp.since(), before.since());
  EXPECT_TRUE(suspect->lrp.modification_tag() == before.modification_tag());
  EXPECT_EQ(ordinary("p", 0).state(), "UNCLAIMED");
  EXPECT_EQ(follow_ups_of<AuctionLRP>(outcome).size(), 1u);
  EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"changed", "created"}));
  EXPECT_EQ(events_in(outcome, Hub::kGroup), Names());
  EXPECT_TRUE(converge({}).changes.empty());
}

TEST_F(Convergence, ReschedulesAReplacementWhoseCellIsLostToo) {
  desire("p", 1);
  start("p", 0, "cell", "i");
  converge({"other"});
  claim("p", 0, "other", "j");
  const Outcome outcome = converge({});
  EXPECT_TRUE(lrps("p", 0).suspect());
  EXPECT_EQ(ordinary("p", 0).state(), "UNCLAIMED");
  EXPECT_TRUE(outcome.follow_ups.empty()) << "it is placed again when it is stale";
  EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"created", "removed"}));
  EXPECT_EQ(events_in(outcome, Hub::kGroup), Names());
}

TEST_F(Convergence, OfAPlanTheLossOfACellCausesNothingThatHasAPaceOfItsOwn) {
  desire("lost", 1);
  start("lost", 0, "gone", "i");
  desire("stale", 1);
  desire("missing", 1);
  remove_ordinary("missing", 0);
  clock_.advance(31s);
  const LRPConvergence whole = plan_lrp_convergence(board_.records(), {}, clock_.now());
  EXPECT_EQ(whole.restart.size(), 1u);
  EXPECT_EQ(whole.missing.size(), 1u);
  const LRPConvergence part = caused_by_cells(whole);
  EXPECT_EQ(part.lost.size(), 1u);
  EXPECT_TRUE(part.restart.empty());
  EXPECT_TRUE(part.missing.empty());
}

TEST_F(Convergence, TakesASuspectBackWhenItsCellReturns) {
  desire("p", 1);
  start("p", 0, "cell", "i");
  converge({});
  claim("p", 0, "other", "j");
  const Outcome outcome = converge({"cell", "other"});
  EXPECT_FALSE(lrps("p", 0).suspect());
  EXPECT_EQ(ordinary("p", 0).actual_lrp_instance_key().instance_guid(), "i");
  EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"removed", "changed"}));
  EXPECT_EQ(events_in(outcome, Hub::kGroup), Names({"removed"}));
  EXPECT_TRUE(converge({"cell", "other"}).changes.empty());
}

TEST_F(Convergence, RetiresSuspectsThatAreNotDesiredAnyMore) {
  make_domain_fresh();
  desire("p", 1);
  start("p", 0, "cell", "i");
  converge({});
  board_.remove_desired_lrp("p", "");
  const Outcome outcome = converge({});
  EXPECT_TRUE(lrps("p", 0).empty());
  EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"removed"}));
}

TEST_F(Convergence, RemovesEvacuatingInstancesOfLostCells) {
  desire("p", 1);
  start("p", 0, "cell", "i");
  auto request = about<models::EvacuateRunningActualLRPRequest>("p", 0, "cell", "i");
  request.mutable_actual_lrp_net_info()->set_address("10.0.0.1");
  board_.evacuate_running(request, now());
  EXPECT_TRUE(converge({"cell"}).changes.empty());
  converge({});
  EXPECT_FALSE(lrps("p", 0).evacuating());
}

TEST_F(Convergence, SendsRepsRoutesAndTagsThatDiffer) {
  desire(a_desired_lrp("p").with_instances(1).with_route("internal-router", R"([{"hostname":"a.internal"}])"));
  auto request = start_request("p", 0, "cell", "i");
  (*request.mutable_metric_tags())["stale"] = "x";
  board_.start(request, now());
  const auto calls = follow_ups_of<UpdateInstance>(converge({"cell"}));
  ASSERT_EQ(calls.size(), 1u);
  EXPECT_EQ(calls[0].internal_routes, std::vector<std::string>({"a.internal"}));
  EXPECT_TRUE(calls[0].metric_tags);
}

TEST_F(Convergence, CountsWhatMetricsReport) {
  desire("p", 4);
  start("p", 0, "cell", "i");
  claim("p", 1, "lost", "j");
  for (int i = 0; i < 3; ++i) {
    start("p", 2, "cell", "k");
    crash("p", 2, "cell", "k");
  }
  const auto counts = plan_lrp_convergence(board_.records(), {"cell"}, now()).counts;
  EXPECT_EQ(counts.running, 1);
  EXPECT_EQ(counts.claimed, 1);
  EXPECT_EQ(counts.crashed, 1);
  EXPECT_EQ(counts.unclaimed, 1);
  EXPECT_EQ(counts.desired, 4);
  EXPECT_EQ(counts.crashing_desired, 1);
  EXPECT_EQ(counts.present_cells, 1);
  EXPECT_EQ(counts.missing_cells, 1);
}

}  // namespace
}  // namespace rivera::bbs
