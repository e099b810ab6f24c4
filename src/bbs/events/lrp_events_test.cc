// Every row of docs/spec/bbs.md §3.7 and §3.8: which events a change of an index's LRPs causes, and in which order.
#include "bbs/events/lrp_events.h"

#include "bbs/events/event_testing.h"

namespace rivera::bbs {
namespace {

using models::testing::an_actual_lrp;
using Names = std::vector<std::string>;

// An LRP after a transition: each has its own tag index, because each change increments it.
ActualLRPPtr with(models::testing::ActualLRPBuilder lrp, std::uint32_t change,
                  models::ActualLRP::Presence presence = kOrdinary) {
  return record(lrp.with_tag("epoch", change).with_presence(presence));
}

// An event in one word: its kind and the state it produces or removes.
std::string in_a_word(const Event& event) {
  const auto state = [](const ActualLRPPtr& lrp) { return lrp ? lrp->lrp.state() : std::string("nothing"); };
  const std::string name(name_of(event));
  std::string word = name.substr(name.rfind('_') + 1);
  if (const auto* e = std::get_if<InstanceEvent>(&event.what)) word += " " + state(e->after ? e->after : e->before);
  if (const auto* e = std::get_if<GroupEvent>(&event.what)) {
    const Group& shown = e->after.empty() ? e->before : e->after;
    word += " " + state(shown.resolved());
    if (shown.evacuating && !shown.instance) word += " evacuating";
  }
  return word;
}

Names events_on(Hub hub, const LRPMutation& mutation) {
  Names words;
  for (const Event& event : events_of(mutation)) {
    if (event.hub == hub) words.push_back(in_a_word(event));
  }
  return words;
}

// One LRP changes, alone in its index.
LRPMutation change(ActualLRPPtr before, ActualLRPPtr after) {
  LRPMutation mutation;
  mutation.transitions = {{before, after}};
  if (before) mutation.before[before->lrp.presence()] = before;
  if (after) mutation.after[after->lrp.presence()] = after;
  return mutation;
}
LRPMutation crash_call(ActualLRPPtr before, ActualLRPPtr after) {
  LRPMutation mutation = change(std::move(before), std::move(after));
  mutation.is_crash_call = true;
  return mutation;
}

class LRPEvents : public testing::Test {
 protected:
  const ActualLRPPtr none_;
  const ActualLRPPtr unclaimed_ = with(an_actual_lrp().unclaimed(), 1);
  const ActualLRPPtr unclaimed_later_ = with(an_actual_lrp().unclaimed(), 5);
  const ActualLRPPtr claimed_ = with(an_actual_lrp().claimed_by("a", "i"), 2);
  const ActualLRPPtr claimed_elsewhere_ = with(an_actual_lrp().claimed_by("b", "j"), 2);
  const ActualLRPPtr running_ = with(an_actual_lrp().running_on("a", "i"), 3);
  const ActualLRPPtr crashed_ = with(an_actual_lrp().crashed(3), 6);
  const ActualLRPPtr suspect_ = with(an_actual_lrp().running_on("lost", "s"), 30, kSuspect);
  const ActualLRPPtr evacuating_ = with(an_actual_lrp().running_on("old", "e"), 0, kEvacuating);
};

TEST_F(LRPEvents, ForInstancesFollowTheTable) {
  EXPECT_EQ(events_on(Hub::kInstance, change(none_, unclaimed_)), Names({"created UNCLAIMED"}));
  EXPECT_EQ(events_on(Hub::kInstance, change(none_, running_)), Names({"created RUNNING"}));
  EXPECT_EQ(events_on(Hub::kInstance, change(running_, none_)), Names({"removed RUNNING"}));
  EXPECT_EQ(events_on(Hub::kInstance, change(crashed_, none_)), Names({"removed CRASHED"}));
  EXPECT_EQ(events_on(Hub::kInstance, change(unclaimed_, unclaimed_later_)), Names({"changed UNCLAIMED"}));
  for (const ActualLRPPtr& before : {claimed_, running_, crashed_}) {
    EXPECT_EQ(events_on(Hub::kInstance, change(before, unclaimed_later_)),
              Names({"created UNCLAIMED", "removed " + before->lrp.state()}));
  }
  EXPECT_EQ(events_on(Hub::kInstance, change(unclaimed_, claimed_)), Names({"changed CLAIMED"}));
  EXPECT_EQ(events_on(Hub::kInstance, change(claimed_, running_)), Names({"changed RUNNING"}));
  EXPECT_EQ(events_on(Hub::kInstance, change(running_, claimed_)), Names({"changed CLAIMED"}));
  EXPECT_EQ(events_on(Hub::kInstance, change(running_, crashed_)), Names({"crashed", "changed CRASHED"}));
}

TEST_F(LRPEvents, ForInstancesReportEveryCrashCall) {
  for (const ActualLRPPtr& before : {claimed_, running_}) {
    EXPECT_EQ(events_on(Hub::kInstance, crash_call(before, crashed_)), Names({"crashed", "changed CRASHED"}));
    EXPECT_EQ(events_on(Hub::kInstance, crash_call(before, unclaimed_later_)),
              Names({"crashed", "created UNCLAIMED", "removed " + before->lrp.state()}));
  }
}

TEST_F(LRPEvents, AreNoneForAnLRPThatStaysAsItWas) {
  const ActualLRPPtr same = record(running_->whole());
  EXPECT_TRUE(events_of(change(running_, running_)).empty());
  EXPECT_TRUE(events_of(change(running_, same)).empty());
}

TEST_F(LRPEvents, CarryTheTraceOfTheirCauseOnInstanceStreams) {
  LRPMutation mutation = change(none_, unclaimed_);
  mutation.trace_id = "trace";
  const Events events = events_of(mutation);
  EXPECT_EQ(std::get<InstanceEvent>(events.back().what).trace_id, "trace");
}

TEST_F(LRPEvents, AnnounceANewRunningInstanceBeforeTheOldOneIsWithdrawn) {
  LRPMutation mutation;
  mutation.transitions = {{evacuating_, none_}, {claimed_, running_}};
  mutation.before[kOrdinary] = claimed_;
  mutation.before[kEvacuating] = evacuating_;
  mutation.after[kOrdinary] = running_;
  EXPECT_EQ(events_on(Hub::kInstance, mutation), Names({"changed RUNNING", "removed RUNNING"}));
  EXPECT_EQ(events_on(Hub::kGroup, mutation), Names({"changed RUNNING", "removed RUNNING evacuating"}));
}

TEST_F(LRPEvents, AnnounceAnEvacuatingInstanceBeforeItsIndexIsFree) {
  LRPMutation mutation;
  mutation.transitions = {{none_, unclaimed_later_}, {running_, evacuating_}};
  mutation.before[kOrdinary] = running_;
  mutation.after[kOrdinary] = unclaimed_later_;
  mutation.after[kEvacuating] = evacuating_;
  EXPECT_EQ(events_on(Hub::kInstance, mutation), Names({"changed RUNNING", "created UNCLAIMED"}));
  EXPECT_EQ(events_on(Hub::kGroup, mutation), Names({"created RUNNING evacuating", "changed UNCLAIMED"}));
}

TEST_F(LRPEvents, ForGroupsFollowTheTable) {
  EXPECT_EQ(events_on(Hub::kGroup, change(none_, unclaimed_)), Names({"created UNCLAIMED"}));
  EXPECT_EQ(events_on(Hub::kGroup, change(none_, evacuating_)), Names({"created RUNNING evacuating"}));
  EXPECT_EQ(events_on(Hub::kGroup, change(running_, none_)), Names({"removed RUNNING"}));
  EXPECT_EQ(events_on(Hub::kGroup, change(evacuating_, none_)), Names({"removed RUNNING evacuating"}));
  for (const ActualLRPPtr& before : {unclaimed_, claimed_, running_, crashed_}) {
    EXPECT_EQ(events_on(Hub::kGroup, change(before, unclaimed_later_)), Names({"changed UNCLAIMED"}));
  }
  EXPECT_EQ(events_on(Hub::kGroup, change(unclaimed_, claimed_)), Names({"changed CLAIMED"})) << "from no key to one";
  EXPECT_EQ(events_on(Hub::kGroup, change(claimed_, running_)), Names({"changed RUNNING"})) << "with the same key";
  EXPECT_EQ(events_on(Hub::kGroup, change(claimed_elsewhere_, running_)),
            Names({"created RUNNING", "removed CLAIMED"}));
  EXPECT_EQ(events_on(Hub::kGroup, change(running_, crashed_)), Names({"crashed", "changed CRASHED"}));
}

TEST_F(LRPEvents, ForGroupsReportEveryCrashCall) {
  EXPECT_EQ(events_on(Hub::kGroup, crash_call(running_, crashed_)), Names({"crashed", "changed CRASHED"}));
  EXPECT_EQ(events_on(Hub::kGroup, crash_call(running_, unclaimed_later_)), Names({"crashed", "changed UNCLAIMED"}));
}

// The events of groups with their slots, for one change of the ordinary LRP beside an evacuating one.
const GroupEvent& group_event_of(const Events& events) {
  for (const Event& event : events) {
    if (const auto* group = std::get_if<GroupEvent>(&event.what)) return *group;
  }
  throw std::logic_error("no group event");
}

TEST_F(LRPEvents, ForGroupsShowTheSlotInQuestionAloneButOfACrashCallBoth) {
  LRPMutation mutation = change(running_, unclaimed_later_);
  mutation.before[kEvacuating] = mutation.after[kEvacuating] = evacuating_;
  const Events quiet = events_of(mutation);
  EXPECT_FALSE(group_event_of(quiet).before.evacuating);
  EXPECT_FALSE(group_event_of(quiet).after.evacuating);
  mutation.is_crash_call = true;
  const Events crash = events_of(mutation);
  EXPECT_EQ(group_event_of(crash).before.evacuating, evacuating_);
  EXPECT_EQ(group_event_of(crash).after.evacuating, evacuating_);
}

TEST_F(LRPEvents, ForGroupsShowTheSuspectUnlessTheOrdinaryOneRuns) {
  const auto folded = [this](const ActualLRPPtr& ordinary) {
    LRPSet lrps;
    lrps[kOrdinary] = ordinary;
    lrps[kSuspect] = suspect_;
    lrps[kEvacuating] = evacuating_;
    return fold(lrps);
  };
  EXPECT_EQ(folded(none_).instance, suspect_);
  EXPECT_EQ(folded(unclaimed_).instance, suspect_);
  EXPECT_EQ(folded(claimed_).instance, suspect_);
  EXPECT_EQ(folded(crashed_).instance, suspect_);
  EXPECT_EQ(folded(running_).instance, running_);
  EXPECT_EQ(folded(running_).evacuating, evacuating_);
}

// The ordinary LRP beside a suspect becomes `after`; the suspect goes if it is replaced.
LRPMutation beside(const ActualLRPPtr& suspect, ActualLRPPtr before, ActualLRPPtr after, bool suspect_goes) {
  LRPMutation mutation = change(std::move(before), std::move(after));
  mutation.before[kSuspect] = suspect;
  if (suspect_goes) {
    mutation.transitions.push_back({suspect, nullptr});
  } else {
    mutation.after[kSuspect] = suspect;
  }
  return mutation;
}

TEST_F(LRPEvents, ForGroupsAreNoneBehindASuspect) {
  for (const auto& [before, after] : std::vector<std::pair<ActualLRPPtr, ActualLRPPtr>>{
           {unclaimed_, claimed_}, {claimed_, unclaimed_later_}, {unclaimed_, unclaimed_later_}, {claimed_, none_}}) {
    EXPECT_EQ(events_on(Hub::kGroup, beside(suspect_, before, after, false)), Names());
    EXPECT_EQ(events_on(Hub::kInstance, beside(suspect_, before, after, false)).empty(), false);
  }
}

TEST_F(LRPEvents, OfAStartThatEndsASuspectAnnounceTheNewOneFirst) {
  const LRPMutation mutation = beside(suspect_, claimed_, running_, true);
  EXPECT_EQ(events_on(Hub::kInstance, mutation), Names({"changed RUNNING", "removed RUNNING"}));
  EXPECT_EQ(events_on(Hub::kGroup, mutation), Names({"created RUNNING", "removed RUNNING"}));
}

// The suspect goes and leaves `ordinary`.
LRPMutation without_suspect(const ActualLRPPtr& suspect, const ActualLRPPtr& ordinary) {
  LRPMutation mutation;
  mutation.transitions = {{suspect, nullptr}};
  mutation.before[kSuspect] = suspect;
  mutation.before[kOrdinary] = mutation.after[kOrdinary] = ordinary;
  return mutation;
}

TEST_F(LRPEvents, OfARemovedSuspectDependOnWhatRemains) {
  EXPECT_EQ(events_on(Hub::kInstance, without_suspect(suspect_, unclaimed_)), Names({"removed RUNNING"}));
  EXPECT_EQ(events_on(Hub::kGroup, without_suspect(suspect_, unclaimed_)), Names({"changed UNCLAIMED"}));
  EXPECT_EQ(events_on(Hub::kGroup, without_suspect(suspect_, crashed_)), Names({"crashed", "changed CRASHED"}));
  EXPECT_EQ(events_on(Hub::kGroup, without_suspect(suspect_, claimed_)), Names({"created CLAIMED", "removed RUNNING"}));
  EXPECT_EQ(events_on(Hub::kGroup, without_suspect(suspect_, running_)), Names());
  EXPECT_EQ(events_on(Hub::kGroup, without_suspect(suspect_, none_)), Names({"removed RUNNING"}));
}

TEST_F(LRPEvents, OfAChangeOfPresenceReachInstanceStreamsOnly) {
  models::ActualLRP lrp = running_->whole();
  lrp.set_presence(kSuspect);
  LRPMutation lost = change(running_, record(lrp));
  lost.transitions.push_back({none_, unclaimed_later_});
  lost.after[kOrdinary] = unclaimed_later_;
  EXPECT_EQ(events_on(Hub::kInstance, lost), Names({"changed RUNNING", "created UNCLAIMED"}));
  EXPECT_EQ(events_on(Hub::kGroup, lost), Names());
}

}  // namespace
}  // namespace rivera::bbs
