// The validation of requests (docs/spec/bbs.md §4.1). Each function throws ModelError InvalidRequest with the joined
// findings, in upstream's order and words, and returns if there are none.
#pragma once

#include <string>
#include <vector>

#include "models/models.h"

namespace rivera::models {

// Findings in order, as ", " joins them.
using Findings = std::vector<std::string>;

// The findings about parts, empty if they are valid. For callers that add words of their own.
Findings findings(const Action& action);
Findings findings(const DesiredLRP& lrp);
Findings findings(const DesiredLRPUpdate& update);
Findings findings(const TaskDefinition& definition);
Findings findings(const SecurityGroupRule& rule);

void validate(const DesiredLRP& lrp);
void validate(const DesiredLRPUpdate& update);
void validate(const TaskDefinition& definition);

void validate(const UpsertDomainRequest& request);

void validate(const ActualLRPsRequest& request);
void validate(const ActualLRPsByProcessGuidsRequest& request);
void validate(const ActualLRPGroupsRequest& request);
void validate(const ActualLRPGroupsByProcessGuidRequest& request);
void validate(const ActualLRPGroupByProcessGuidAndIndexRequest& request);
void validate(const ClaimActualLRPRequest& request);
void validate(const StartActualLRPRequest& request);
void validate(const CrashActualLRPRequest& request);
void validate(const FailActualLRPRequest& request);
void validate(const RetireActualLRPRequest& request);
void validate(const RemoveActualLRPRequest& request);

void validate(const EvacuateClaimedActualLRPRequest& request);
void validate(const EvacuateRunningActualLRPRequest& request);
void validate(const EvacuateStoppedActualLRPRequest& request);
void validate(const EvacuateCrashedActualLRPRequest& request);
void validate(const RemoveEvacuatingActualLRPRequest& request);

void validate(const DesiredLRPsRequest& request);
void validate(const DesiredLRPByProcessGuidRequest& request);
void validate(const DesireLRPRequest& request);
void validate(const UpdateDesiredLRPRequest& request);
void validate(const RemoveDesiredLRPRequest& request);

void validate(const TasksRequest& request);
void validate(const TaskByGuidRequest& request);
void validate(const DesireTaskRequest& request);
void validate(const StartTaskRequest& request);
void validate(const TaskGuidRequest& request);
void validate(const FailTaskRequest& request);
void validate(const RejectTaskRequest& request);
void validate(const CompleteTaskRequest& request);

}  // namespace rivera::models
