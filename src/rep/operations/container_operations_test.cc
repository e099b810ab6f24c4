#include "rep/operations/container_operations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rep/testing/testing_cell.h"

namespace rivera::rep::testing {
namespace {

using executor::ContainerState;
using models::Error;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class LRPOperationsTest : public CellTest {};

TEST_F(LRPOperationsTest, ClaimsAndRunsAReservedInstance) {
  reserve_lrp("guid");
  answer_with_definitions();
  EXPECT_EQ(reconcile("guid"), OperationResult::kDone);
  EXPECT_THAT(bbs_server.calls, ElementsAre("/v1/actual_lrps/claim", "/v1/desired_lrps/get_by_process_guid.r3"));
  const auto claim = bbs_server.request<models::ClaimActualLRPRequest>("/v1/actual_lrps/claim");
  EXPECT_EQ(claim.process_guid(), "process-guid");
  EXPECT_EQ(claim.actual_lrp_instance_key().instance_guid(), "guid");
  EXPECT_EQ(claim.actual_lrp_instance_key().cell_id(), "cell-1");
  await_state("guid", ContainerState::kRunning);
  EXPECT_EQ(app()->spec.path, "/bin/app");
}

TEST_F(LRPOperationsTest, DestroysAReservationOfAnotherCellsInstance) {
  reserve_lrp("guid");
  bbs_server.refuse<models::ActualLRPLifecycleResponse>("/v1/actual_lrps/claim", Error::ActualLRPCannotBeClaimed);
  reconcile("guid");
  EXPECT_FALSE(executor.contains("guid"));
  EXPECT_THAT(bbs_server.calls, ElementsAre("/v1/actual_lrps/claim"));
}

TEST_F(LRPOperationsTest, KeepsAReservationOverOtherErrors) {
  reserve_lrp("guid");
  bbs_server.refuse<models::ActualLRPLifecycleResponse>("/v1/actual_lrps/claim", Error::UnknownError);
  EXPECT_EQ(reconcile("guid"), OperationResult::kDone);
  EXPECT_EQ(executor.get("guid")->state, ContainerState::kReserved);
  bbs_server.is_down = true;
  EXPECT_EQ(reconcile("guid"), OperationResult::kTryAgain);
  EXPECT_TRUE(executor.contains("guid"));
}

TEST_F(LRPOperationsTest, StartsARunningInstanceWithItsAddresses) {
  run_lrp("guid");
  reconcile("guid");
  const auto start = bbs_server.request<models::StartActualLRPRequest>("/v1/actual_lrps/start.r1");
  EXPECT_EQ(start.actual_lrp_net_info().address(), "10.0.0.1");
  EXPECT_EQ(start.actual_lrp_net_info().instance_address(), "10.254.0.2");
  EXPECT_EQ(start.actual_lrp_net_info().preferred_address(), models::ActualLRPNetInfo::HOST);
  ASSERT_EQ(start.actual_lrp_net_info().ports_size(), 1);
  EXPECT_EQ(start.actual_lrp_net_info().ports(0).host_port(), 60001u);
  EXPECT_TRUE(start.routable());
  EXPECT_EQ(start.availability_zone(), "z1");
}

TEST_F(LRPOperationsTest, StopsAnInstanceThatCannotBeStarted) {
  run_lrp("guid");
  bbs_server.refuse<models::ActualLRPLifecycleResponse>("/v1/actual_lrps/start.r1", Error::ActualLRPCannotBeStarted);
  reconcile("guid");
  await_state("guid", ContainerState::kCompleted);
  EXPECT_TRUE(executor.get("guid")->run_result.stopped);
}

TEST_F(LRPOperationsTest, ReportsACrashAndDestroys) {
  run_lrp("guid");
  app()->exit(17);
  await_state("guid", ContainerState::kCompleted);
  reconcile("guid");
  EXPECT_THAT(bbs_server.calls, ElementsAre("/v1/actual_lrps/crash"));
  EXPECT_THAT(bbs_server.request<models::CrashActualLRPRequest>("/v1/actual_lrps/crash").error_message(),
              ::testing::HasSubstr("Exited with status 17"));
  EXPECT_FALSE(executor.contains("guid"));
}

TEST_F(LRPOperationsTest, RemovesAStoppedInstance) {
  run_lrp("guid");
  executor.stop("guid");
  await_state("guid", ContainerState::kCompleted);
  reconcile("guid");
  EXPECT_THAT(bbs_server.calls, ElementsAre("/v1/actual_lrps/remove"));
  EXPECT_FALSE(executor.contains("guid"));
}

TEST_F(LRPOperationsTest, DestroysEvenIfTheBBSRefusesTheReport) {
  run_lrp("guid");
  app()->exit(1);
  await_state("guid", ContainerState::kCompleted);
  bbs_server.refuse<models::ActualLRPLifecycleResponse>("/v1/actual_lrps/crash", Error::ActualLRPCannotBeCrashed);
  reconcile("guid");
  EXPECT_FALSE(executor.contains("guid"));
}

TEST_F(LRPOperationsTest, RemovesAnInstanceThatThePlatformLost) {
  run_lrp("guid");
  backend.forget_process("action");
  await_state("guid", ContainerState::kCompleted);
  reconcile("guid");
  EXPECT_THAT(bbs_server.calls, ElementsAre("/v1/actual_lrps/remove"));
  EXPECT_FALSE(executor.contains("guid"));
}

TEST_F(LRPOperationsTest, ReportsACrashWhateverItsReasonSays) {
  run_lrp("guid");
  app()->exit(17);
  await_state("guid", ContainerState::kCompleted);
  bbs_server.refuse<models::ActualLRPLifecycleResponse>("/v1/actual_lrps/crash", Error::InvalidRequest);
  reconcile("guid");
  EXPECT_THAT(bbs_server.calls, ElementsAre("/v1/actual_lrps/crash", "/v1/actual_lrps/crash"));
  EXPECT_EQ(bbs_server.request<models::CrashActualLRPRequest>("/v1/actual_lrps/crash").error_message(),
            "the reason could not be stored");
}

TEST_F(LRPOperationsTest, RemovesTheEvacuatingRecordThoughTheOtherIsRefused) {
  bbs_server.refuse<models::ActualLRPLifecycleResponse>("/v1/actual_lrps/remove", Error::ActualLRPCannotBeRemoved);
  BatchOperation operation{BatchAction::kRemoveInstanceAndEvacuating, {}, {}};
  operation.instance.set_instance_guid("gone");
  loop.run(operations.settle("gone", operation));
  EXPECT_THAT(bbs_server.calls, ElementsAre("/v1/actual_lrps/remove", "/v1/actual_lrps/remove_evacuating"));
}

TEST_F(LRPOperationsTest, StartsAndEvacuatesThroughTheRoutesOfAnOlderBBS) {
  run_lrp("guid");
  bbs_server.unknown_paths = {"/v1/actual_lrps/start.r1", "/v1/actual_lrps/evacuate_running.r1"};
  reconcile("guid");
  const auto start = bbs_server.request<models::StartActualLRPRequest>("/v1/actual_lrps/start");
  EXPECT_EQ(start.actual_lrp_net_info().address(), "10.0.0.1");
  EXPECT_EQ(start.availability_zone(), "");
  evacuation.evacuating = true;
  models::EvacuationResponse keep;
  keep.set_keep_container(true);
  bbs_server.answer("/v1/actual_lrps/evacuate_running", keep);
  reconcile("guid");
  EXPECT_TRUE(executor.contains("guid"));
  const auto evacuate = bbs_server.request<models::EvacuateRunningActualLRPRequest>("/v1/actual_lrps/evacuate_running");
  EXPECT_EQ(evacuate.actual_lrp_instance_key().instance_guid(), "guid");
}

TEST_F(LRPOperationsTest, KeepsACrashedInstanceUntilTheBBSAcceptsTheReport) {
  run_lrp("guid");
  app()->exit(1);
  await_state("guid", ContainerState::kCompleted);
  bbs_server.is_down = true;
  EXPECT_EQ(reconcile("guid"), OperationResult::kTryAgain);
  EXPECT_TRUE(executor.contains("guid"));
  bbs_server.is_down = false;
  EXPECT_EQ(reconcile("guid"), OperationResult::kDone);
  EXPECT_FALSE(executor.contains("guid"));
}

TEST_F(LRPOperationsTest, DoesNothingForAMissingContainer) {
  EXPECT_EQ(reconcile("unknown"), OperationResult::kDone);
  EXPECT_THAT(bbs_server.calls, IsEmpty());
}

// --- evacuation ---

TEST_F(LRPOperationsTest, RequestsAReplacementAndKeepsTheContainerUntilTheBBSDecides) {
  run_lrp("guid");
  evacuation.evacuating = true;
  models::EvacuationResponse keep;
  keep.set_keep_container(true);
  bbs_server.answer("/v1/actual_lrps/evacuate_running.r1", keep);
  reconcile("guid");
  reconcile("guid");
  EXPECT_TRUE(executor.contains("guid"));
  EXPECT_EQ(std::count_if(log.lines.begin(), log.lines.end(),
                          [](const auto& line) { return line.find("requesting replacement") != std::string::npos; }),
            1);
  keep.set_keep_container(false);
  bbs_server.answer("/v1/actual_lrps/evacuate_running.r1", keep);
  reconcile("guid");
  EXPECT_FALSE(executor.contains("guid"));
}

TEST_F(LRPOperationsTest, EvacuatesClaimedInstances) {
  reserve_lrp("guid");
  evacuation.evacuating = true;
  reconcile("guid");
  EXPECT_THAT(bbs_server.calls, ElementsAre("/v1/actual_lrps/evacuate_claimed"));
  EXPECT_FALSE(executor.contains("guid"));
}

// --- tasks ---

class TaskOperationsTest : public CellTest {
 protected:
  void should_start(bool start) {
    models::StartTaskResponse response;
    response.set_should_start(start);
    bbs_server.answer("/v1/tasks/start", response);
  }
  void run_task() {
    reserve_task("task");
    answer_with_definitions();
    should_start(true);
    reconcile("task");
    await_state("task", ContainerState::kRunning);
    bbs_server.calls.clear();
  }
  models::CompleteTaskRequest completion() {
    return bbs_server.request<models::CompleteTaskRequest>("/v1/tasks/complete");
  }
  void put_result(const std::string& content) {
    std::string header(512, '\0');
    header.replace(0, 6, "result");
    char size[12];
    std::snprintf(size, sizeof size, "%011zo", content.size());
    header.replace(124, 11, size);
    header[156] = '0';
    header.replace(257, 5, "ustar");
    backend.files["/result"] = header + content + std::string(1536 - content.size() % 512, '\0');
  }
};

TEST_F(TaskOperationsTest, StartsATaskOnlyIfTheBBSAllowsIt) {
  reserve_task("task");
  answer_with_definitions();
  should_start(false);
  reconcile("task");
  EXPECT_EQ(executor.get("task")->state, ContainerState::kReserved);
  should_start(true);
  reconcile("task");
  await_state("task", ContainerState::kRunning);
}

TEST_F(TaskOperationsTest, DestroysTheContainerOfAFinishedTask) {
  reserve_task("task");
  bbs_server.refuse<models::StartTaskResponse>("/v1/tasks/start", Error::InvalidStateTransition);
  reconcile("task");
  EXPECT_FALSE(executor.contains("task"));
}

TEST_F(TaskOperationsTest, CompletesWithTheContentOfTheResultFile) {
  run_task();
  put_result("the result");
  app()->exit(0);
  await_state("task", ContainerState::kCompleted);
  reconcile("task");
  EXPECT_FALSE(completion().failed());
  EXPECT_EQ(completion().result(), "the result");
  EXPECT_EQ(completion().cell_id(), "cell-1");
  EXPECT_FALSE(executor.contains("task"));
}

TEST_F(TaskOperationsTest, FailsIfThereIsNoResultFileOrItIsTooLarge) {
  run_task();
  put_result(std::string(51'201, 'x'));
  app()->exit(0);
  await_state("task", ContainerState::kCompleted);
  reconcile("task");
  EXPECT_TRUE(completion().failed());
  EXPECT_EQ(completion().failure_reason(), "failed to fetch result");
  EXPECT_EQ(completion().result(), "");
}

TEST_F(TaskOperationsTest, FailsWithTheReasonAndWithoutAResult) {
  run_task();
  put_result("not wanted");
  app()->exit(3);
  await_state("task", ContainerState::kCompleted);
  reconcile("task");
  EXPECT_TRUE(completion().failed());
  EXPECT_THAT(completion().failure_reason(), ::testing::HasSubstr("Exited with status 3"));
  EXPECT_EQ(completion().result(), "");
}

TEST_F(TaskOperationsTest, CompletesATaskThatThePlatformLost) {
  run_task();
  backend.forget_process("action");
  await_state("task", ContainerState::kCompleted);
  reconcile("task");
  EXPECT_TRUE(completion().failed());
  EXPECT_EQ(completion().failure_reason(), "task container does not exist");
  EXPECT_EQ(completion().result(), "task container does not exist");
}

TEST_F(TaskOperationsTest, CompletesATaskWhoseResultTheBBSCannotStore) {
  run_task();
  put_result("odd");
  app()->exit(0);
  await_state("task", ContainerState::kCompleted);
  bbs_server.refuse<models::TaskLifecycleResponse>("/v1/tasks/complete", Error::InvalidRequest);
  reconcile("task");
  EXPECT_TRUE(completion().failed());
  EXPECT_EQ(completion().failure_reason(), "the result could not be stored");
  EXPECT_EQ(completion().result(), "");
}

TEST_F(TaskOperationsTest, RejectsARetryableTask) {
  reserve_task("task");
  answer_with_definitions();
  should_start(true);
  backend.create_error = "no space";
  reconcile("task");
  await_state("task", ContainerState::kCompleted);
  bbs_server.calls.clear();
  reconcile("task");
  EXPECT_THAT(bbs_server.calls, ElementsAre("/v1/tasks/reject"));
  EXPECT_EQ(bbs_server.request<models::RejectTaskRequest>("/v1/tasks/reject").rejection_reason(),
            "failed to create container: no space");
  EXPECT_FALSE(executor.contains("task"));
}

// --- the batch ---

TEST_F(LRPOperationsTest, APassQueuesOperationsWithAndWithoutContainers) {
  run_lrp("mine");
  models::ActualLRPsResponse instances;
  *instances.add_actual_lrps() = models::testing::an_actual_lrp("gone", 3).running_on("cell-1", "gone-guid").build();
  *instances.add_actual_lrps() = models::testing::an_actual_lrp("process-guid", 0).running_on("cell-1", "mine").build();
  bbs_server.answer("/v1/actual_lrps/list", instances);
  models::TasksResponse tasks;
  *tasks.add_tasks() = models::testing::a_task("lost");
  bbs_server.answer("/v1/tasks/list.r3", tasks);
  BulkLoop bulk(loop.executor(), config,
                {.executor = executor,
                 .bbs = bbs,
                 .queue = queue,
                 .operations = operations,
                 .evacuation = evacuation,
                 .metrics = metrics},
                logger);
  loop.run(bulk.pass());
  loop.run(queue.idle());
  EXPECT_THAT(bbs_server.calls,
              UnorderedElementsAre("/v1/actual_lrps/list", "/v1/tasks/list.r3", "/v1/actual_lrps/remove",
                                   "/v1/tasks/complete", "/v1/actual_lrps/start.r1"));
  const auto removed = bbs_server.request<models::RemoveActualLRPRequest>("/v1/actual_lrps/remove");
  EXPECT_EQ(removed.process_guid(), "gone");
  EXPECT_EQ(removed.index(), 3);
  const auto completed = bbs_server.request<models::CompleteTaskRequest>("/v1/tasks/complete");
  EXPECT_EQ(completed.task_guid(), "lost");
  EXPECT_TRUE(completed.failed());
  EXPECT_EQ(completed.failure_reason(), "task container does not exist");
}

TEST_F(LRPOperationsTest, APassWithoutTheBBSDoesNothing) {
  run_lrp("mine");
  bbs_server.is_down = true;
  BulkLoop bulk(loop.executor(), config,
                {.executor = executor,
                 .bbs = bbs,
                 .queue = queue,
                 .operations = operations,
                 .evacuation = evacuation,
                 .metrics = metrics},
                logger);
  EXPECT_ANY_THROW(loop.run(bulk.pass()));
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_EQ(executor.get("mine")->state, ContainerState::kRunning);
}

}  // namespace
}  // namespace rivera::rep::testing
