// The events of every operation, row by row of docs/spec/bbs.md §3.9.
#include <set>

#include "bbs/board/board_testing.h"

namespace rivera::bbs {
namespace {

// The events of each kind of stream.
struct EventNames {
  Names desired, instances, groups;
};

void expect_events(const Outcome& outcome, const EventNames& expected) {
  EXPECT_FALSE(outcome.error) << outcome.error->message();
  EXPECT_EQ(events_in(outcome, Hub::kDesired), expected.desired);
  EXPECT_EQ(events_in(outcome, Hub::kInstance), expected.instances);
  EXPECT_EQ(events_in(outcome, Hub::kGroup), expected.groups);
}

const EventNames kNothing{{}, {}, {}};

// The trace ids of desired and instance events, each once.
std::set<std::string> traces_of(const Outcome& outcome) {
  std::set<std::string> traces;
  for (const Event& event : outcome.events) {
    if (const auto* e = std::get_if<DesiredLRPEvent>(&event.what)) traces.insert(e->trace_id);
    if (const auto* e = std::get_if<InstanceEvent>(&event.what)) traces.insert(e->trace_id);
  }
  return traces;
}

const std::set<std::string> kTraced = {"trace"};
const std::set<std::string> kUntraced = {""};

class EventsOfLRPs : public BoardTest {
 protected:
  Outcome update_instances(int instances) {
    models::UpdateDesiredLRPRequest request;
    request.set_process_guid("p");
    request.mutable_update()->set_instances(instances);
    return board_.update_desired_lrp(request, now(), "trace");
  }
  Outcome fail(const std::string& why = "no room") {
    models::FailActualLRPRequest request;
    *request.mutable_actual_lrp_key() = models::actual_lrp_key("p", 0, domain_);
    request.set_error_message(why);
    return board_.fail(request, now());
  }
  Outcome remove(int index) {
    models::RemoveActualLRPRequest request;
    request.set_process_guid("p");
    request.set_index(index);
    return board_.remove(request);
  }
  Outcome retire(int index) { return board_.retire(models::actual_lrp_key("p", index, domain_), "trace"); }
  void crash_three_times() {
    for (int i = 0; i < 3; ++i) {
      start("p", 0, "cell", "i");
      crash("p", 0, "cell", "i");
    }
  }
};

TEST_F(EventsOfLRPs, DesireReportsTheLRPAndItsInstances) {
  const Outcome outcome = board_.desire_lrp(a_desired_lrp("p").with_instances(2), now(), "trace");
  expect_events(outcome, {{"created"}, {"created", "created"}, {"created", "created"}});
  EXPECT_EQ(traces_of(outcome), kTraced);
  EXPECT_EQ(outcome.events.front().hub, Hub::kDesired);
}

TEST_F(EventsOfLRPs, UpdateReportsTheInstancesAndThenTheLRP) {
  desire("p", 1);
  const Outcome more = update_instances(3);
  expect_events(more, {{"changed"}, {"created", "created"}, {"created", "created"}});
  EXPECT_EQ(traces_of(more), kTraced);
  EXPECT_EQ(more.events.back().hub, Hub::kDesired);
  start("p", 2, "cell", "i");
  const Outcome fewer = update_instances(1);
  expect_events(fewer, {{"changed"}, {"removed"}, {"removed"}});
  EXPECT_EQ(traces_of(fewer), kTraced);
  EXPECT_EQ(fewer.events.back().hub, Hub::kDesired);
}

TEST_F(EventsOfLRPs, RemoveReportsTheLRPAndInstancesThatAreOnNoCell) {
  desire("p", 2);
  start("p", 1, "cell", "i");
  const Outcome outcome = board_.remove_desired_lrp("p", "trace");
  expect_events(outcome, {{"removed"}, {"removed"}, {"removed"}});
  EXPECT_EQ(traces_of(outcome), kTraced);
  expect_events(remove(1), {{}, {"removed"}, {"removed"}});
}

TEST_F(EventsOfLRPs, ClaimAndStartReportChangesOnly) {
  desire("p", 1);
  const Outcome claimed = claim("p", 0, "cell", "i");
  expect_events(claimed, {{}, {"changed"}, {"changed"}});
  EXPECT_EQ(traces_of(claimed), kUntraced);
  expect_events(claim("p", 0, "cell", "i"), kNothing);
  expect_events(start("p", 0, "cell", "i"), {{}, {"changed"}, {"changed"}});
  expect_events(start("p", 0, "cell", "i"), kNothing);
  expect_events(start("p", 7, "cell", "j"), {{}, {"created"}, {"created"}});
}

TEST_F(EventsOfLRPs, StartOfAnotherInstanceThanTheClaimedOneReplacesItForGroups) {
  desire("p", 1);
  claim("p", 0, "cell", "i");
  expect_events(start("p", 0, "other", "j"), {{}, {"changed"}, {"created", "removed"}});
}

TEST_F(EventsOfLRPs, CrashReportsTheCrashFirst) {
  desire("p", 1);
  for (int i = 0; i < 2; ++i) {
    start("p", 0, "cell", "i");
    const Outcome restarts = crash("p", 0, "cell", "i");
    expect_events(restarts, {{}, {"crashed", "created", "removed"}, {"crashed", "changed"}});
    EXPECT_EQ(traces_of(restarts), kUntraced);
  }
  start("p", 0, "cell", "i");
  expect_events(crash("p", 0, "cell", "i"), {{}, {"crashed", "changed"}, {"crashed", "changed"}});
}

TEST_F(EventsOfLRPs, ACrashReasonIsWholeInEveryEventOfTheCrashAndCutAfterwards) {
  desire("p", 1);
  crash_three_times();
  clock_.advance(31s);
  converge({"cell"});
  start("p", 0, "cell", "i");
  const std::string reason(3000, 'x');
  const Outcome outcome = crash("p", 0, "cell", "i", reason);
  int whole = 0;
  for (const Event& event : outcome.events) {
    ActualLRPPtr after;
    if (const auto* e = std::get_if<CrashEvent>(&event.what)) after = e->after;
    if (const auto* e = std::get_if<InstanceEvent>(&event.what)) after = e->after;
    if (const auto* e = std::get_if<GroupEvent>(&event.what)) after = e->after.instance;
    ASSERT_TRUE(after);
    EXPECT_EQ(after->lrp.crash_reason(), reason) << name_of(event);
    ++whole;
  }
  EXPECT_EQ(whole, 4);
  const Outcome later = remove(0);
  EXPECT_EQ(std::get<InstanceEvent>(later.events.back().what).before->lrp.crash_reason().size(), 1024u);
}

TEST_F(EventsOfLRPs, FailReportsTheWholeReason) {
  desire("p", 1);
  const Outcome outcome = fail(std::string(3000, 'y'));
  expect_events(outcome, {{}, {"changed"}, {"changed"}});
  EXPECT_EQ(std::get<InstanceEvent>(outcome.events.back().what).after->lrp.placement_error().size(), 3000u);
  EXPECT_EQ(ordinary("p", 0).placement_error().size(), 1024u);
}

TEST_F(EventsOfLRPs, RetireReportsARemovalOnceTheInstanceIsDeleted) {
  desire("p", 2);
  const Outcome unclaimed = retire(1);
  expect_events(unclaimed, {{}, {"removed"}, {"removed"}});
  EXPECT_EQ(traces_of(unclaimed), kTraced);
  start("p", 0, "cell", "i");
  expect_events(retire(0), kNothing);
  expect_events(board_.remove_if_unchanged(lrps("p", 0).ordinary(), "trace"), {{}, {"removed"}, {"removed"}});
  start("p", 0, "cell", "i");
  crash_three_times();
  expect_events(retire(0), {{}, {"removed"}, {"removed"}});
}

class EventsOfEvacuation : public EventsOfLRPs {
 protected:
  EventsOfEvacuation() {
    desire("p", 1);
    start("p", 0, "cell", "i");
  }
  Outcome running(const std::string& cell = "cell", const std::string& instance = "i",
                  const std::string& address = "10.0.0.1") {
    auto request = about<models::EvacuateRunningActualLRPRequest>("p", 0, cell, instance);
    request.mutable_actual_lrp_net_info()->set_address(address);
    return board_.evacuate_running(request, now());
  }
  Outcome crashed() {
    return board_.evacuate_crashed(about<models::EvacuateCrashedActualLRPRequest>("p", 0, "cell", "i"), now());
  }
  Outcome stopped() {
    return board_.evacuate_stopped(about<models::EvacuateStoppedActualLRPRequest>("p", 0, "cell", "i"));
  }
};

TEST_F(EventsOfEvacuation, OfAClaimedInstanceAreThoseOfARestart) {
  claim("p", 0, "cell", "i");
  expect_events(board_.evacuate_claimed(about<models::EvacuateClaimedActualLRPRequest>("p", 0, "cell", "i"), now()),
                {{}, {"created", "removed"}, {"changed"}});
}

TEST_F(EventsOfEvacuation, OfARunningInstanceIncludeThoseOfItsReplacement) {
  expect_events(running(), {{}, {"changed", "created"}, {"created", "changed"}});
  expect_events(running(), kNothing);
  expect_events(running("cell", "i", "10.0.0.9"), {{}, {"created"}, {"changed"}});
  expect_events(start("p", 0, "other", "j"), {{}, {"changed", "removed"}, {"changed", "removed"}});
}

TEST_F(EventsOfEvacuation, CreateTheEvacuatingRowAgainIfItWasRemoved) {
  running();
  board_.remove_evacuating(about<models::RemoveEvacuatingActualLRPRequest>("p", 0, "cell", "i"));
  expect_events(running(), {{}, {"created"}, {"created"}});
}

TEST_F(EventsOfEvacuation, EndAnEvacuatingInstanceWhoseReplacementIsUp) {
  running();
  const ActualLRPPtr evacuating = lrps("p", 0).evacuating();
  start("p", 0, "other", "j");
  board_.revert(Swap<ActualLRPRecord>{evacuating, nullptr});  // a state that upstream may leave
  expect_events(running(), {{}, {"removed"}, {"removed"}});
}

TEST_F(EventsOfEvacuation, AreNoneIfNothingIsDeleted) {
  board_.remove_desired_lrp("p", "");
  expect_events(running(), kNothing);
}

TEST_F(EventsOfEvacuation, OfASuspectDependOnItsReplacement) {
  converge({"other"});
  ASSERT_TRUE(lrps("p", 0).suspect());
  expect_events(running(), {{}, {"changed"}, {"created", "changed"}});
}

TEST_F(EventsOfEvacuation, OfASuspectWithAClaimedReplacementShowThatOne) {
  converge({"other"});
  claim("p", 0, "other", "j");
  expect_events(running(), {{}, {"changed"}, {"created", "created", "removed"}});
}

TEST_F(EventsOfEvacuation, ByRecreateAreThoseOfARestart) {
  board_.clear();
  desire(a_desired_lrp("p").with_update_strategy(models::DesiredLRP::RECREATE));
  start("p", 0, "cell", "i");
  expect_events(running(), {{}, {"created", "removed"}, {"changed"}});
}

TEST_F(EventsOfEvacuation, OfAStoppedInstanceAreItsRemoval) {
  expect_events(stopped(), {{}, {"removed"}, {"removed"}});
}

TEST_F(EventsOfEvacuation, OfACrashThatRestartsIncludeNoCrash) {
  expect_events(crashed(), {{}, {"created", "removed"}, {"changed"}});
}

TEST_F(EventsOfEvacuation, OfACrashThatStaysIncludeTheCrash) {
  for (int i = 0; i < 2; ++i) {
    crash("p", 0, "cell", "i");
    start("p", 0, "cell", "i");
  }
  expect_events(crashed(), {{}, {"crashed", "changed"}, {"crashed", "changed"}});
}

TEST_F(EventsOfEvacuation, OfAnEvacuatingInstanceThatEndsAreItsRemoval) {
  running();
  expect_events(crashed(), {{}, {"removed"}, {"removed"}});
  running();
  expect_events(stopped(), {{}, {"removed"}, {"removed"}});
  running();
  expect_events(board_.remove_evacuating(about<models::RemoveEvacuatingActualLRPRequest>("p", 0, "cell", "i")),
                {{}, {"removed"}, {"removed"}});
}

class EventsOfConvergence : public EventsOfLRPs {};

TEST_F(EventsOfConvergence, ReportMissingAndUnwantedInstances) {
  make_domain_fresh();
  desire("p", 1);
  remove(0);
  const Outcome missing = converge({"cell"});
  expect_events(missing, {{}, {"created"}, {"created"}});
  EXPECT_EQ(traces_of(missing), kUntraced);
  clock_.advance(31s);
  expect_events(converge({"cell"}), kNothing);  // a stale one is auctioned again
  start("undesired", 0, "lost", "i");
  expect_events(converge({"cell"}), {{}, {"removed"}, {"removed"}});
  start("undesired", 0, "cell", "i");
  expect_events(converge({"cell"}), kNothing);  // its rep is asked to stop it
}

TEST_F(EventsOfConvergence, ReportARestartAfterACrash) {
  desire("p", 1);
  crash_three_times();
  clock_.advance(31s);
  expect_events(converge({"cell"}), {{}, {"created", "removed"}, {"changed"}});
}

TEST_F(EventsOfConvergence, AreNoneForGroupsUntilASuspectIsRemoved) {
  make_domain_fresh();
  desire("p", 1);
  start("p", 0, "cell", "i");
  expect_events(converge({"other"}), {{}, {"changed", "created"}, {}});
  claim("p", 0, "other", "j");
  expect_events(converge({}), {{}, {"created", "removed"}, {}});
  expect_events(converge({"cell"}), {{}, {"removed", "changed"}, {"removed"}});
  converge({});
  remove(0);  // the replacement
  board_.remove_desired_lrp("p", "");
  expect_events(converge({}), {{}, {"removed"}, {"removed"}});
}

TEST_F(EventsOfConvergence, ReportEvacuatingInstancesOfLostCells) {
  desire("p", 1);
  start("p", 0, "cell", "i");
  auto request = about<models::EvacuateRunningActualLRPRequest>("p", 0, "cell", "i");
  board_.evacuate_running(request, now());
  expect_events(converge({}), {{}, {"removed"}, {"removed"}});
}

class EventsOfTasks : public BoardTest {
 protected:
  void desire_task(const models::TaskDefinition& definition = a_task_definition()) {
    models::DesireTaskRequest request;
    request.set_task_guid("t");
    request.set_domain(domain_);
    *request.mutable_task_definition() = definition;
    EXPECT_EQ(task_events(board_.desire_task(request, now(), "")), Names({"created"}));
  }
  Outcome start_task() {
    models::StartTaskRequest request;
    request.set_task_guid("t");
    request.set_cell_id("cell");
    return board_.start_task(request, now());
  }
  Outcome reject_task() {
    models::RejectTaskRequest request;
    request.set_task_guid("t");
    request.set_rejection_reason("no room");
    return board_.reject_task(request, now());
  }
  static Names task_events(const Outcome& outcome) { return events_in(outcome, Hub::kTask); }
};

const Names kChanged = {"changed"}, kRemoved = {"removed"}, kNone;

TEST_F(EventsOfTasks, ReportEachStep) {
  desire_task();
  EXPECT_EQ(task_events(start_task()), kChanged);
  EXPECT_EQ(task_events(start_task()), kNone) << "started already";
  models::CompleteTaskRequest complete;
  complete.set_task_guid("t");
  complete.set_cell_id("cell");
  EXPECT_EQ(task_events(board_.complete_task(complete, now())), kChanged);
  EXPECT_EQ(task_events(board_.resolving_task("t", now())), kChanged);
  EXPECT_EQ(task_events(board_.delete_task("t")), kRemoved);
}

TEST_F(EventsOfTasks, ReportACancellationAndAFailure) {
  desire_task();
  EXPECT_EQ(task_events(board_.cancel_task("t", now(), "")), kChanged);
  EXPECT_EQ(task_events(board_.cancel_task("t", now(), "")), kNone) << "refused";
  board_.resolving_task("t", now());
  board_.delete_task("t");
  desire_task();
  EXPECT_EQ(task_events(board_.fail_task("t", "why", now())), kChanged);
}

TEST_F(EventsOfTasks, ReportTheLastRejectionAsAFailureOnly) {
  desire_task();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(task_events(reject_task()), kChanged);
  const Outcome last = reject_task();
  ASSERT_EQ(task_events(last), kChanged);
  const auto& event = std::get<TaskEvent>(last.events.front().what);
  EXPECT_EQ(event.before->task.state(), models::Task::Pending);
  EXPECT_EQ(event.after->task.state(), models::Task::Completed);
  EXPECT_EQ(task_events(reject_task()), kNone) << "refused: no event with an empty before";
}

TEST_F(EventsOfTasks, ReportWhatConvergenceDoes) {
  desire_task(a_task_definition().with_callback("http://owner/done"));
  start_task();
  EXPECT_EQ(task_events(converge_tasks({"cell"})), kNone);
  EXPECT_EQ(task_events(converge_tasks({})), kChanged) << "its cell is lost";
  board_.resolving_task("t", now());
  clock_.advance(31s);
  EXPECT_EQ(task_events(converge_tasks({})), kChanged) << "resolving for too long";
  clock_.advance(121s);
  EXPECT_EQ(task_events(converge_tasks({})), kRemoved);
  desire_task();
  clock_.advance(31min);
  EXPECT_EQ(task_events(converge_tasks({})), kChanged) << "pending for too long";
}

}  // namespace
}  // namespace rivera::bbs
