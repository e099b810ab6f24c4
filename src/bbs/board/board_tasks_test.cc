#include "bbs/board/board_testing.h"

namespace rivera::bbs {
namespace {

class TaskRules : public BoardTest {
 protected:
  Outcome desire_task(const std::string& guid, const models::TaskDefinition& definition = a_task_definition()) {
    models::DesireTaskRequest request;
    request.set_task_guid(guid);
    request.set_domain(domain_);
    *request.mutable_task_definition() = definition;
    return board_.desire_task(request, now(), "trace");
  }
  Outcome start_task(const std::string& guid, const std::string& cell) {
    models::StartTaskRequest request;
    request.set_task_guid(guid);
    request.set_cell_id(cell);
    return board_.start_task(request, now());
  }
  Outcome complete_task(const std::string& guid, const std::string& cell) {
    models::CompleteTaskRequest request;
    request.set_task_guid(guid);
    request.set_cell_id(cell);
    request.set_result("42");
    return board_.complete_task(request, now());
  }
  Outcome reject_task(const std::string& guid) {
    models::RejectTaskRequest request;
    request.set_task_guid(guid);
    request.set_rejection_reason("no room");
    return board_.reject_task(request, now());
  }
};

TEST_F(TaskRules, ATaskGoesFromPendingToResolvingAndIsDeleted) {
  const Outcome desired = desire_task("t");
  EXPECT_EQ(follow_ups_of<AuctionTask>(desired).size(), 1u);
  EXPECT_EQ(events_in(desired, Hub::kTask), Names({"created"}));
  EXPECT_ERROR(desire_task("t"), ResourceExists);

  EXPECT_TRUE(start_task("t", "cell").answer);
  const Outcome again = start_task("t", "cell");
  EXPECT_FALSE(again.error);
  EXPECT_FALSE(again.answer);
  EXPECT_TRUE(again.changes.empty());
  EXPECT_ERROR(start_task("t", "other"), InvalidStateTransition);

  const Outcome elsewhere = complete_task("t", "other");
  EXPECT_ERROR(elsewhere, RunningOnDifferentCell);
  EXPECT_EQ(elsewhere.error->message(), "Running on cell cell not other");
  EXPECT_EQ(events_in(complete_task("t", "cell"), Hub::kTask), Names({"changed"}));
  EXPECT_EQ(task("t").state(), models::Task::Completed);
  EXPECT_EQ(task("t").result(), "42");
  EXPECT_EQ(task("t").cell_id(), "");
  EXPECT_EQ(task("t").first_completed_at(), nanos());

  const Outcome early = board_.delete_task("t");
  EXPECT_ERROR(early, InvalidStateTransition);
  EXPECT_EQ(early.error->message(), "Cannot transition from Completed to Resolving");
  EXPECT_FALSE(board_.resolving_task("t", now()).error);
  EXPECT_ERROR(board_.resolving_task("t", now()), InvalidStateTransition);
  EXPECT_EQ(events_in(board_.delete_task("t"), Hub::kTask), Names({"removed"}));
  EXPECT_ERROR(board_.delete_task("t"), ResourceNotFound);
}

TEST_F(TaskRules, UnknownTasksAreNotFound) {
  EXPECT_ERROR(start_task("t", "cell"), ResourceNotFound);
  EXPECT_ERROR(complete_task("t", "cell"), ResourceNotFound);
  EXPECT_ERROR(board_.cancel_task("t", now(), ""), ResourceNotFound);
  EXPECT_ERROR(board_.fail_task("t", "why", now()), ResourceNotFound);
  EXPECT_ERROR(reject_task("t"), ResourceNotFound);
  EXPECT_ERROR(board_.resolving_task("t", now()), ResourceNotFound);
}

TEST_F(TaskRules, CancelAsksTheCellThatRunsIt) {
  desire_task("t");
  start_task("t", "cell");
  const Outcome outcome = board_.cancel_task("t", now(), "trace");
  EXPECT_TRUE(task("t").failed());
  EXPECT_EQ(task("t").failure_reason(), "task was cancelled");
  const auto calls = follow_ups_of<CancelTaskOnCell>(outcome);
  ASSERT_EQ(calls.size(), 1u);
  EXPECT_EQ(calls[0].cell_id, "cell");
  EXPECT_ERROR(board_.cancel_task("t", now(), ""), InvalidStateTransition);
}

TEST_F(TaskRules, CancelOfAPendingTaskAsksNoCell) {
  desire_task("t");
  EXPECT_TRUE(follow_ups_of<CancelTaskOnCell>(board_.cancel_task("t", now(), "")).empty());
}

TEST_F(TaskRules, ACompletedTaskWithAUrlIsCalledBack) {
  desire_task("t", a_task_definition().with_callback("http://owner/done"));
  start_task("t", "cell");
  EXPECT_EQ(follow_ups_of<CompletionCallback>(complete_task("t", "cell")).size(), 1u);
}

TEST_F(TaskRules, TheFourthRejectionFailsTheTask) {
  desire_task("t");
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(events_in(reject_task("t"), Hub::kTask), Names({"changed"}));
    EXPECT_EQ(task("t").state(), models::Task::Pending);
    EXPECT_EQ(task("t").rejection_count(), i);
  }
  EXPECT_EQ(events_in(reject_task("t"), Hub::kTask), Names({"changed"}));
  EXPECT_EQ(task("t").state(), models::Task::Completed);
  EXPECT_TRUE(task("t").failed());
  EXPECT_EQ(task("t").failure_reason(), "no room");
  EXPECT_ERROR(reject_task("t"), InvalidStateTransition);
}

TEST_F(TaskRules, ARejectionOfAFinishedTaskIsInvalid) {
  desire_task("t");
  board_.fail_task("t", "why", now());
  EXPECT_ERROR(reject_task("t"), InvalidRequest);
}

TEST_F(TaskRules, ConvergenceAuctionsPendingTasksUntilTheyExpire) {
  desire_task("t");
  EXPECT_EQ(follow_ups_of<AuctionTask>(converge_tasks({})).size(), 1u);
  clock_.advance(30min + 1ns);
  const Outcome outcome = converge_tasks({});
  EXPECT_TRUE(outcome.follow_ups.empty());
  EXPECT_EQ(task("t").failure_reason(), "not started within time limit");
}

TEST_F(TaskRules, ConvergenceFailsTasksOfLostCells) {
  desire_task("t");
  start_task("t", "cell");
  EXPECT_TRUE(converge_tasks({"cell"}).changes.empty());
  converge_tasks({"other"});
  EXPECT_EQ(task("t").state(), models::Task::Completed);
  EXPECT_EQ(task("t").failure_reason(), "cell disappeared before completion");
  EXPECT_EQ(task("t").cell_id(), "cell");
}

TEST_F(TaskRules, ConvergenceRepeatsCallbacksAndForgetsOldTasks) {
  desire_task("t", a_task_definition().with_callback("http://owner/done"));
  board_.fail_task("t", "why", now());
  EXPECT_TRUE(converge_tasks({}).follow_ups.empty()) << "not at once";
  clock_.advance(31s);
  EXPECT_EQ(follow_ups_of<CompletionCallback>(converge_tasks({})).size(), 1u);
  board_.resolving_task("t", now());
  clock_.advance(31s);
  const Outcome kicked = converge_tasks({});
  EXPECT_EQ(task("t").state(), models::Task::Completed);
  EXPECT_EQ(follow_ups_of<CompletionCallback>(kicked).size(), 1u);
  clock_.advance(120s);
  EXPECT_EQ(events_in(converge_tasks({}), Hub::kTask), Names({"removed"}));
  EXPECT_FALSE(board_.records().task("t"));
}

}  // namespace
}  // namespace rivera::bbs
