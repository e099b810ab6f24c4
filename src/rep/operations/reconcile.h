// Decisions about each container, instance and task of the cell (docs/spec/cell.md §1.15). Pure functions.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "executor/container/container.h"
#include "models/models.h"
#include "rep/settings/container_tags.h"

namespace rivera::rep {

// --- a batch: the containers of the cell compared with the records of the BBS ---

enum class BatchAction {
  kContainer,                    // a container exists: its state decides
  kRemoveInstance,               // an instance without a container
  kRemoveInstanceAndEvacuating,  // the same, with an evacuating record
  kRemoveEvacuating,             // an evacuating record alone
  kFailTask,                     // a task without a container
};

struct BatchOperation {
  BatchAction action = BatchAction::kContainer;
  models::ActualLRPKey key;  // of instances
  models::ActualLRPInstanceKey instance;
};

// By the guid of the container, instance or task. All records belong to this cell.
std::map<std::string, BatchOperation> plan_batch(const std::vector<std::string>& container_guids,
                                                 const std::vector<models::ActualLRP>& instances,
                                                 const std::vector<models::Task>& tasks);

// --- one container ---

enum class ContainerAction {
  kNothing,
  kClaimAndRun,
  kClaim,
  kStart,
  kRemoveAndDelete,
  kCrashAndDelete,
  kEvacuateClaimed,
  kEvacuateRunning,
  kEvacuateStopped,
  kEvacuateCrashed,
  kStartTask,
  kRejectTask,
  kCompleteTask,
};

struct Situation {
  Lifecycle lifecycle = Lifecycle::kUnknown;
  executor::ContainerState state = executor::ContainerState::kReserved;
  executor::RunResult result;
  bool evacuating = false;
};

ContainerAction decide(const Situation& situation);

}  // namespace rivera::rep
