#include "bbs/board/board_testing.h"

namespace rivera::bbs {
namespace {

class ActualLRPRules : public BoardTest {
 protected:
  ActualLRPRules() { desire("p", 1); }
};

TEST_F(ActualLRPRules, ClaimTakesAnUnclaimedInstance) {
  clock_.advance(1s);
  const auto before = ordinary("p", 0);
  const Outcome outcome = claim("p", 0, "cell", "i");
  ASSERT_FALSE(outcome.error);
  const auto lrp = ordinary("p", 0);
  EXPECT_EQ(lrp.state(), "CLAIMED");
  EXPECT_EQ(lrp.since(), nanos());
  EXPECT_EQ(lrp.modification_tag().epoch(), before.modification_tag().epoch());
  EXPECT_EQ(lrp.modification_tag().index(), before.modification_tag().index() + 1);
  EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"changed"}));
  EXPECT_EQ(events_in(outcome, Hub::kGroup), Names({"changed"}));
}

TEST_F(ActualLRPRules, ARepeatedClaimChangesNothing) {
  claim("p", 0, "cell", "i");
  const Outcome outcome = claim("p", 0, "cell", "i");
  EXPECT_FALSE(outcome.error);
  EXPECT_TRUE(outcome.changes.empty());
  EXPECT_TRUE(outcome.events.empty());
}

TEST_F(ActualLRPRules, ClaimIsRefusedToAnotherInstance) {
  claim("p", 0, "cell", "i");
  EXPECT_ERROR(claim("p", 0, "cell", "other"), ActualLRPCannotBeClaimed);
  EXPECT_ERROR(claim("p", 0, "other", "i"), ActualLRPCannotBeClaimed);
  EXPECT_ERROR(claim("p", 1, "cell", "i"), ResourceNotFound);
}

TEST_F(ActualLRPRules, ClaimByItsOwnerTakesARunningInstanceBack) {
  start("p", 0, "cell", "i");
  EXPECT_FALSE(claim("p", 0, "cell", "i").error);
  EXPECT_EQ(ordinary("p", 0).state(), "CLAIMED");
  EXPECT_EQ(ordinary("p", 0).actual_lrp_net_info().address(), "");
  EXPECT_ERROR(claim("p", 0, "cell", "other"), ActualLRPCannotBeClaimed);
}

TEST_F(ActualLRPRules, StartTakesOverAClaimedInstanceFromAnyCell) {
  claim("p", 0, "cell", "i");
  const Outcome outcome = start("p", 0, "other-cell", "j");
  ASSERT_FALSE(outcome.error);
  EXPECT_EQ(ordinary("p", 0).state(), "RUNNING");
  EXPECT_TRUE(ordinary("p", 0).routable()) << "absent means routable";
  EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"changed"}));
  EXPECT_EQ(events_in(outcome, Hub::kGroup), Names({"created", "removed"}));
}

TEST_F(ActualLRPRules, ARepeatedStartIsAHeartbeatWithoutChange) {
  auto request = start_request("p", 0, "cell", "i");
  request.add_actual_lrp_internal_routes()->set_hostname("a.internal");
  (*request.mutable_metric_tags())["k"] = "v";
  board_.start(request, now());
  clock_.advance(1h);
  const Outcome outcome = board_.start(request, now());
  EXPECT_FALSE(outcome.error);
  EXPECT_TRUE(outcome.changes.empty());

  (*request.mutable_metric_tags())["k"] = "w";
  EXPECT_EQ(board_.start(request, now()).changes.size(), 1u);
  request.set_routable(false);
  EXPECT_EQ(board_.start(request, now()).changes.size(), 1u);
  request.clear_actual_lrp_internal_routes();
  EXPECT_EQ(board_.start(request, now()).changes.size(), 1u);
}

TEST_F(ActualLRPRules, StartIsRefusedToAnotherInstanceOfARunningOne) {
  start("p", 0, "cell", "i");
  EXPECT_ERROR(start("p", 0, "cell", "other"), ActualLRPCannotBeStarted);
}

TEST_F(ActualLRPRules, StartIsRefusedUnderAnotherDomain) {
  auto request = start_request("p", 0, "cell", "i");
  request.mutable_actual_lrp_key()->set_domain("elsewhere");
  EXPECT_ERROR(board_.start(request, now()), ActualLRPCannotBeStarted);
}

TEST_F(ActualLRPRules, StartCreatesWhatIsNotThere) {
  const Outcome outcome = start("undesired", 3, "cell", "i");
  ASSERT_FALSE(outcome.error);
  EXPECT_EQ(ordinary("undesired", 3).state(), "RUNNING");
  EXPECT_EQ(ordinary("undesired", 3).modification_tag().index(), 0u);
  EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"created"}));
}

TEST_F(ActualLRPRules, TheFirstTwoCrashesRestartAtOnceAndTheThirdDoesNot) {
  for (int count = 1; count <= 2; ++count) {
    start("p", 0, "cell", "i");
    const Outcome outcome = crash("p", 0, "cell", "i");
    ASSERT_FALSE(outcome.error);
    EXPECT_EQ(ordinary("p", 0).state(), "UNCLAIMED");
    EXPECT_EQ(ordinary("p", 0).crash_count(), count);
    EXPECT_EQ(follow_ups_of<AuctionLRP>(outcome).size(), 1u);
    EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"crashed", "created", "removed"}));
    EXPECT_EQ(events_in(outcome, Hub::kGroup), Names({"crashed", "changed"}));
  }
  start("p", 0, "cell", "i");
  const Outcome outcome = crash("p", 0, "cell", "i");
  EXPECT_EQ(ordinary("p", 0).state(), "CRASHED");
  EXPECT_EQ(ordinary("p", 0).crash_count(), 3);
  EXPECT_TRUE(models::is_empty(ordinary("p", 0).actual_lrp_instance_key()));
  EXPECT_TRUE(outcome.follow_ups.empty());
  EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"crashed", "changed"}));
}

TEST_F(ActualLRPRules, RunningForMoreThanFiveMinutesForgetsEarlierCrashes) {
  start("p", 0, "cell", "i");
  crash("p", 0, "cell", "i");
  start("p", 0, "cell", "i");
  clock_.advance(5min + 1ns);
  crash("p", 0, "cell", "i");
  EXPECT_EQ(ordinary("p", 0).crash_count(), 1);
}

TEST_F(ActualLRPRules, CrashIsRefusedToOtherInstances) {
  EXPECT_ERROR(crash("p", 0, "cell", "i"), ActualLRPCannotBeCrashed);
  start("p", 0, "cell", "i");
  EXPECT_ERROR(crash("p", 0, "cell", "j"), ActualLRPCannotBeCrashed);
  EXPECT_ERROR(crash("p", 5, "cell", "i"), ResourceNotFound);
}

TEST_F(ActualLRPRules, ACrashOfWhatIsNotDesiredIsRecordedAndAnsweredNotFound) {
  start("undesired", 0, "cell", "i");
  const Outcome outcome = crash("undesired", 0, "cell", "i");
  EXPECT_ERROR(outcome, ResourceNotFound);
  EXPECT_EQ(ordinary("undesired", 0).crash_count(), 1);
  EXPECT_FALSE(outcome.changes.empty());
}

TEST_F(ActualLRPRules, ALongCrashReasonIsCutInTheRecordAndWholeInTheEvent) {
  start("p", 0, "cell", "i");
  const std::string reason(2000, 'x');
  const Outcome outcome = crash("p", 0, "cell", "i", reason);
  EXPECT_EQ(ordinary("p", 0).crash_reason().size(), 1024u);
  const auto* event = std::get_if<CrashEvent>(&outcome.events.front().what);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->after->lrp.crash_reason(), reason);
}

TEST_F(ActualLRPRules, FailRecordsWhyAnUnclaimedInstanceIsNotPlaced) {
  models::FailActualLRPRequest request;
  *request.mutable_actual_lrp_key() = models::actual_lrp_key("p", 0, domain_);
  request.set_error_message("no room");
  clock_.advance(10s);
  const Outcome outcome = board_.fail(request, now());
  ASSERT_FALSE(outcome.error);
  EXPECT_EQ(ordinary("p", 0).placement_error(), "no room");
  EXPECT_EQ(ordinary("p", 0).since(), nanos());
  EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"changed"}));

  claim("p", 0, "cell", "i");
  EXPECT_EQ(ordinary("p", 0).placement_error(), "");
  EXPECT_ERROR(board_.fail(request, now()), ActualLRPCannotBeFailed);
  request.mutable_actual_lrp_key()->set_index(9);
  EXPECT_FALSE(board_.fail(request, now()).error) << "nothing there is a success";
}

TEST_F(ActualLRPRules, RemoveWantsTheRightInstanceIfOneIsGiven) {
  start("p", 0, "cell", "i");
  models::RemoveActualLRPRequest request;
  request.set_process_guid("p");
  *request.mutable_actual_lrp_instance_key() = models::actual_lrp_instance_key("j", "cell");
  EXPECT_ERROR(board_.remove(request), ResourceNotFound);
  request.clear_actual_lrp_instance_key();
  EXPECT_EQ(events_in(board_.remove(request), Hub::kInstance), Names({"removed"}));
  EXPECT_TRUE(lrps("p", 0).empty());
  EXPECT_ERROR(board_.remove(request), ResourceNotFound);
}

TEST_F(ActualLRPRules, RetireDeletesAnInstanceThatIsOnNoCellAndAsksTheCellOtherwise) {
  start("p", 0, "cell", "i");
  const Outcome asked = board_.retire(models::actual_lrp_key("p", 0, domain_), "trace");
  EXPECT_TRUE(asked.changes.empty());
  ASSERT_EQ(follow_ups_of<StopInstance>(asked).size(), 1u);

  const ActualLRPPtr running = lrps("p", 0).ordinary();
  EXPECT_FALSE(board_.remove_if_unchanged(running, "").error);
  EXPECT_ERROR(board_.remove_if_unchanged(running, ""), ResourceConflict);
  EXPECT_ERROR(board_.retire(models::actual_lrp_key("p", 0, domain_), ""), ResourceNotFound);
}

class WithASuspect : public BoardTest {
 protected:
  WithASuspect() {
    desire("p", 1);
    start("p", 0, "lost-cell", "i");
    converge({"cell"});
  }
};

TEST_F(WithASuspect, ItsOwnRepChangesNothing) {
  EXPECT_TRUE(claim("p", 0, "lost-cell", "i").changes.empty());
  const Outcome outcome = start("p", 0, "lost-cell", "i");
  EXPECT_FALSE(outcome.error);
  EXPECT_TRUE(outcome.changes.empty());
}

TEST_F(WithASuspect, AClaimOfTheReplacementIsNoEventForGroups) {
  const Outcome outcome = claim("p", 0, "cell", "j");
  EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"changed"}));
  EXPECT_EQ(events_in(outcome, Hub::kGroup), Names());
}

TEST_F(WithASuspect, TheReplacementsStartEndsIt) {
  const Outcome outcome = start("p", 0, "cell", "j");
  EXPECT_FALSE(lrps("p", 0).suspect());
  EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"changed", "removed"}));
  EXPECT_EQ(events_in(outcome, Hub::kGroup), Names({"created", "removed"}));
  EXPECT_ERROR(start("p", 0, "lost-cell", "i"), ActualLRPCannotBeStarted);
}

TEST_F(WithASuspect, ItsCrashRemovesItAndLeavesTheReplacementAlone) {
  const ActualLRPPtr replacement = lrps("p", 0).ordinary();
  const Outcome outcome = crash("p", 0, "lost-cell", "i");
  EXPECT_FALSE(outcome.error);
  EXPECT_FALSE(lrps("p", 0).suspect());
  EXPECT_EQ(lrps("p", 0).ordinary(), replacement);
  EXPECT_EQ(events_in(outcome, Hub::kInstance), Names({"removed"}));
  EXPECT_EQ(events_in(outcome, Hub::kGroup), Names({"changed"}));
}

}  // namespace
}  // namespace rivera::bbs
