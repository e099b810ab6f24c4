#include "rep/operations/reconcile.h"

#include <set>

namespace rivera::rep {
namespace {

using executor::ContainerState;

// What was stopped on request, or lost by the platform, is removed, and the application is not charged (§1.17).
bool is_no_crash(const executor::RunResult& result) { return result.stopped || result.lost; }

ContainerAction decide_lrp(const Situation& situation) {
  switch (situation.state) {
    case ContainerState::kReserved:
      return ContainerAction::kClaimAndRun;
    case ContainerState::kInitializing:
    case ContainerState::kCreated:
      return ContainerAction::kClaim;
    case ContainerState::kRunning:
      return ContainerAction::kStart;
    case ContainerState::kCompleted:
      return is_no_crash(situation.result) ? ContainerAction::kRemoveAndDelete : ContainerAction::kCrashAndDelete;
  }
  return ContainerAction::kNothing;
}

ContainerAction decide_evacuating_lrp(const Situation& situation) {
  switch (situation.state) {
    case ContainerState::kReserved:
    case ContainerState::kInitializing:
    case ContainerState::kCreated:
      return ContainerAction::kEvacuateClaimed;
    case ContainerState::kRunning:
      return ContainerAction::kEvacuateRunning;
    case ContainerState::kCompleted:
      return is_no_crash(situation.result) ? ContainerAction::kEvacuateStopped : ContainerAction::kEvacuateCrashed;
  }
  return ContainerAction::kNothing;
}

ContainerAction decide_task(const Situation& situation) {
  if (situation.state != ContainerState::kCompleted) return ContainerAction::kStartTask;
  return situation.result.failed && situation.result.retryable ? ContainerAction::kRejectTask
                                                               : ContainerAction::kCompleteTask;
}

}  // namespace

ContainerAction decide(const Situation& situation) {
  switch (situation.lifecycle) {
    case Lifecycle::kLRP:
      return situation.evacuating ? decide_evacuating_lrp(situation) : decide_lrp(situation);
    case Lifecycle::kTask:
      return decide_task(situation);
    case Lifecycle::kUnknown:
      break;
  }
  return ContainerAction::kNothing;
}

std::map<std::string, BatchOperation> plan_batch(const std::vector<std::string>& container_guids,
                                                 const std::vector<models::ActualLRP>& instances,
                                                 const std::vector<models::Task>& tasks) {
  std::map<std::string, BatchOperation> plan;
  for (const auto& guid : container_guids) plan.emplace(guid, BatchOperation{});

  std::set<std::string> evacuating;
  for (const auto& lrp : instances) {
    if (lrp.presence() == models::ActualLRP::EVACUATING)
      evacuating.insert(lrp.actual_lrp_instance_key().instance_guid());
  }
  // Suspect records count as instances. The first entry of a guid wins, so that instances precede evacuating records.
  for (const auto& lrp : instances) {
    if (lrp.presence() == models::ActualLRP::EVACUATING) continue;
    const auto& guid = lrp.actual_lrp_instance_key().instance_guid();
    const auto action =
        evacuating.contains(guid) ? BatchAction::kRemoveInstanceAndEvacuating : BatchAction::kRemoveInstance;
    plan.emplace(guid, BatchOperation{action, lrp.actual_lrp_key(), lrp.actual_lrp_instance_key()});
  }
  for (const auto& lrp : instances) {
    if (lrp.presence() != models::ActualLRP::EVACUATING) continue;
    plan.emplace(lrp.actual_lrp_instance_key().instance_guid(),
                 BatchOperation{BatchAction::kRemoveEvacuating, lrp.actual_lrp_key(), lrp.actual_lrp_instance_key()});
  }
  for (const auto& task : tasks) plan.emplace(task.task_guid(), BatchOperation{BatchAction::kFailTask, {}, {}});
  return plan;
}

}  // namespace rivera::rep
