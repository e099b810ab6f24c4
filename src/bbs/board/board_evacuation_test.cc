#include "bbs/board/board_testing.h"

namespace rivera::bbs {
namespace {

class Evacuation : public BoardTest {
 protected:
  Outcome evacuate_running(int index, const std::string& cell, const std::string& instance,
                           const std::string& address = "10.0.0.1") {
    auto request = about<models::EvacuateRunningActualLRPRequest>("p", index, cell, instance);
    request.mutable_actual_lrp_net_info()->set_address(address);
    return board_.evacuate_running(request, now());
  }
};

TEST_F(Evacuation, AClaimedInstanceIsAuctionedAgain) {
  desire("p", 1);
  claim("p", 0, "cell", "i");
  const Outcome outcome =
      board_.evacuate_claimed(about<models::EvacuateClaimedActualLRPRequest>("p", 0, "cell", "i"), now());
  EXPECT_FALSE(outcome.error);
  EXPECT_FALSE(outcome.answer);
  EXPECT_EQ(ordinary("p", 0).state(), "UNCLAIMED");
  EXPECT_EQ(follow_ups_of<AuctionLRP>(outcome).size(), 1u);
  EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"created", "removed"}));
  EXPECT_EQ(events_in(outcome, Hub::kGroup), Names({"changed"}));
}

TEST_F(Evacuation, WithoutATargetNothingIsFound) {
  desire("p", 1);
  EXPECT_ERROR(board_.evacuate_claimed(about<models::EvacuateClaimedActualLRPRequest>("p", 0, "c", "i"), now()),
               ResourceNotFound);
  EXPECT_ERROR(board_.evacuate_stopped(about<models::EvacuateStoppedActualLRPRequest>("p", 0, "c", "i")),
               ResourceNotFound);
  EXPECT_ERROR(board_.evacuate_crashed(about<models::EvacuateCrashedActualLRPRequest>("p", 0, "c", "i"), now()),
               ResourceNotFound);
  EXPECT_ERROR(board_.remove_evacuating(about<models::RemoveEvacuatingActualLRPRequest>("p", 0, "c", "i")),
               ResourceNotFound);
}

TEST_F(Evacuation, ACrashedInstanceWaitsForConvergence) {
  desire("p", 1);
  start("p", 0, "cell", "i");
  const Outcome outcome =
      board_.evacuate_crashed(about<models::EvacuateCrashedActualLRPRequest>("p", 0, "cell", "i"), now());
  EXPECT_FALSE(outcome.answer);
  EXPECT_TRUE(outcome.follow_ups.empty());
  EXPECT_EQ(ordinary("p", 0).crash_count(), 1);
  EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"created", "removed"}));
}

TEST_F(Evacuation, ARunningInstanceStaysUntilItsReplacementRuns) {
  desire("p", 1);
  start("p", 0, "cell", "i");
  const Outcome first = evacuate_running(0, "cell", "i");
  EXPECT_TRUE(first.answer);
  EXPECT_EQ(ordinary("p", 0).state(), "UNCLAIMED");
  ASSERT_TRUE(lrps("p", 0).evacuating());
  EXPECT_EQ(lrps("p", 0).evacuating()->lrp.state(), "RUNNING");
  EXPECT_EQ(follow_ups_of<AuctionLRP>(first).size(), 1u);
  EXPECT_EQ(events_in(first, Hub::kInstance), Names({"changed", "created"}));
  EXPECT_EQ(events_in(first, Hub::kGroup), Names({"created", "changed"}));

  const Outcome again = evacuate_running(0, "cell", "i");
  EXPECT_TRUE(again.answer);
  EXPECT_TRUE(again.changes.empty());

  const Outcome moved = evacuate_running(0, "cell", "i", "10.0.0.2");
  EXPECT_TRUE(moved.answer);
  EXPECT_EQ(lrps("p", 0).evacuating()->lrp.modification_tag().index(), 1u);
  EXPECT_EQ(events_in(moved, Hub::kInstance), Names({"created"}));
  EXPECT_EQ(events_in(moved, Hub::kGroup), Names({"changed"}));

  start("p", 0, "other", "j");
  EXPECT_FALSE(lrps("p", 0).evacuating());
  const Outcome last = evacuate_running(0, "cell", "i");
  EXPECT_FALSE(last.error);
  EXPECT_FALSE(last.answer);
}

TEST_F(Evacuation, AReplacementThatStartsEndsTheEvacuatingOneInTheSameEvents) {
  desire("p", 1);
  start("p", 0, "cell", "i");
  evacuate_running(0, "cell", "i");
  claim("p", 0, "other", "j");
  const Outcome outcome = start("p", 0, "other", "j");
  EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"changed", "removed"}));
  EXPECT_EQ(events_in(outcome, Hub::kGroup), Names({"changed", "removed"}));
}

TEST_F(Evacuation, NothingIsKeptThatIsNotDesiredAnyMore) {
  desire("p", 1);
  start("p", 0, "cell", "i");
  board_.remove_desired_lrp("p", "");
  const Outcome outcome = evacuate_running(0, "cell", "i");
  EXPECT_FALSE(outcome.error);
  EXPECT_FALSE(outcome.answer);
  EXPECT_TRUE(outcome.changes.empty()) << "convergence removes an ordinary one";
}

TEST_F(Evacuation, WithoutAnyRecordTheContainerIsDeleted) {
  const Outcome outcome = evacuate_running(0, "cell", "i");
  EXPECT_FALSE(outcome.error);
  EXPECT_FALSE(outcome.answer);
}

TEST_F(Evacuation, ASuspectBecomesEvacuatingWithoutAnotherReplacement) {
  desire("p", 1);
  start("p", 0, "cell", "i");
  converge({"other"});
  ASSERT_TRUE(lrps("p", 0).suspect());
  const Outcome outcome = evacuate_running(0, "cell", "i");
  EXPECT_TRUE(outcome.answer);
  EXPECT_FALSE(lrps("p", 0).suspect());
  EXPECT_TRUE(lrps("p", 0).evacuating());
  EXPECT_TRUE(outcome.follow_ups.empty());
  EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"changed"}));
}

TEST_F(Evacuation, RecreateTakesDownOneInstanceAtATime) {
  desire(a_desired_lrp("p").with_instances(2).with_update_strategy(models::DesiredLRP::RECREATE));
  start("p", 0, "cell", "i");
  start("p", 1, "cell", "j");
  const Outcome first = evacuate_running(0, "cell", "i");
  EXPECT_FALSE(first.answer);
  EXPECT_EQ(ordinary("p", 0).state(), "UNCLAIMED");
  EXPECT_FALSE(lrps("p", 0).evacuating());
  EXPECT_EQ(events_in(first, Hub::kInstance), Names({"created", "removed"}));

  const Outcome second = evacuate_running(1, "cell", "j");
  EXPECT_TRUE(second.answer);
  EXPECT_TRUE(second.changes.empty());
}

}  // namespace
}  // namespace rivera::bbs
