// Validation of requests.
#include "models/validation/validation.h"

#include "models/validation/validation_report.h"

namespace rivera::models {
namespace {

void check_process_guid(Report& report, const std::string& guid) {
  if (guid.empty()) report.field("process_guid");
}

void check_index(Report& report, std::int32_t index) {
  if (index < 0) report.field("index");
}

template <typename Request>
void check_key(Report& report, const Request& request) {
  if (!request.has_actual_lrp_key()) {
    report.field("actual_lrp_key");
    return;
  }
  const auto& key = request.actual_lrp_key();
  check_process_guid(report, key.process_guid());
  check_index(report, key.index());
  if (key.domain().empty()) report.field("domain");
}

template <typename Request>
void check_instance_key(Report& report, const Request& request) {
  if (!request.has_actual_lrp_instance_key()) {
    report.field("actual_lrp_instance_key");
    return;
  }
  const auto& key = request.actual_lrp_instance_key();
  if (key.cell_id().empty()) report.field("cell_id");
  if (key.instance_guid().empty()) report.field("instance_guid");
}

template <typename Request>
void check_net_info(Report& report, const Request& request) {
  if (!request.has_actual_lrp_net_info()) {
    report.field("actual_lrp_net_info");
  } else if (request.actual_lrp_net_info().address().empty()) {
    report.field("address");
  }
}

template <typename Request>
void require_keys(const Request& request) {
  Report report;
  check_key(report, request);
  check_instance_key(report, request);
  report.raise();
}

template <typename Request>
void require_running(const Request& request) {
  Report report;
  check_key(report, request);
  check_instance_key(report, request);
  check_net_info(report, request);
  report.raise();
}

template <typename Request>
void require_process_guid(const Request& request) {
  Report report;
  check_process_guid(report, request.process_guid());
  report.raise();
}

template <typename Request>
void require_task_guid(const Request& request) {
  Report report;
  if (request.task_guid().empty()) report.field("task_guid");
  report.raise();
}

void check_task_guid(Report& report, const std::string& guid) {
  if (!is_valid_guid(guid)) report.field("task_guid");
}

template <typename Request>
void require_task_and_cell(const Request& request) {
  Report report;
  check_task_guid(report, request.task_guid());
  if (request.cell_id().empty()) report.field("cell_id");
  report.raise();
}

void require_task_and_reason(const std::string& guid, const std::string& reason) {
  Report report;
  check_task_guid(report, guid);
  if (reason.empty()) report.field("failure_reason");
  report.raise();
}

void raise(Findings findings) { Report().all(std::move(findings)).raise(); }

}  // namespace

void validate(const DesiredLRP& lrp) { raise(findings(lrp)); }
void validate(const DesiredLRPUpdate& update) { raise(findings(update)); }
void validate(const TaskDefinition& definition) { raise(findings(definition)); }

void validate(const UpsertDomainRequest& request) {
  if (request.domain().empty()) Report().field("domain").raise();
}

void validate(const ActualLRPsRequest&) {}

void validate(const ActualLRPsByProcessGuidsRequest& request) {
  if (request.process_guids().empty()) Report().text("process_guids must not be empty").raise();
}

void validate(const ActualLRPGroupsRequest&) {}
void validate(const ActualLRPGroupsByProcessGuidRequest& request) { require_process_guid(request); }

void validate(const ActualLRPGroupByProcessGuidAndIndexRequest& request) {
  Report report;
  check_process_guid(report, request.process_guid());
  check_index(report, request.index());
  report.raise();
}

void validate(const ClaimActualLRPRequest& request) {
  Report report;
  check_process_guid(report, request.process_guid());
  check_instance_key(report, request);
  report.raise();
}

void validate(const StartActualLRPRequest& request) { require_running(request); }
void validate(const CrashActualLRPRequest& request) { require_keys(request); }

void validate(const FailActualLRPRequest& request) {
  Report report;
  check_key(report, request);
  if (request.error_message().empty()) report.field("error_message");
  report.raise();
}

void validate(const RetireActualLRPRequest& request) {
  Report report;
  check_key(report, request);
  report.raise();
}

void validate(const RemoveActualLRPRequest& request) {
  Report report;
  check_process_guid(report, request.process_guid());
  check_index(report, request.index());
  report.raise();
}

void validate(const EvacuateClaimedActualLRPRequest& request) { require_keys(request); }
void validate(const EvacuateRunningActualLRPRequest& request) { require_running(request); }
void validate(const EvacuateStoppedActualLRPRequest& request) { require_keys(request); }

void validate(const EvacuateCrashedActualLRPRequest& request) {
  Report report;
  check_key(report, request);
  check_instance_key(report, request);
  if (request.error_message().empty()) report.field("error_message");
  report.raise();
}

void validate(const RemoveEvacuatingActualLRPRequest& request) { require_keys(request); }

void validate(const DesiredLRPsRequest&) {}
void validate(const DesiredLRPByProcessGuidRequest& request) { require_process_guid(request); }

void validate(const DesireLRPRequest& request) {
  if (!request.has_desired_lrp()) Report().field("desired_lrp").raise();
  validate(request.desired_lrp());
}

void validate(const UpdateDesiredLRPRequest& request) {
  Report report;
  check_process_guid(report, request.process_guid());
  if (!request.has_update()) report.field("update");
  report.all(findings(request.update()));
  report.raise();
}

void validate(const RemoveDesiredLRPRequest& request) { require_process_guid(request); }

void validate(const TasksRequest&) {}
void validate(const TaskByGuidRequest& request) { require_task_guid(request); }

void validate(const DesireTaskRequest& request) {
  Report report;
  check_task_guid(report, request.task_guid());
  if (request.domain().empty()) report.field("domain");
  if (!request.has_task_definition()) {
    report.field("task_definition");
  } else {
    report.all(findings(request.task_definition()));
  }
  report.raise();
}

void validate(const StartTaskRequest& request) { require_task_and_cell(request); }
void validate(const TaskGuidRequest& request) { require_task_guid(request); }
void validate(const FailTaskRequest& request) {
  require_task_and_reason(request.task_guid(), request.failure_reason());
}
void validate(const RejectTaskRequest& request) {
  require_task_and_reason(request.task_guid(), request.rejection_reason());
}
void validate(const CompleteTaskRequest& request) { require_task_and_cell(request); }

}  // namespace rivera::models
