#include "bbs/records/record.h"

#include "models/forms/wire.h"

namespace rivera::bbs {

ActualLRPPtr make_actual_lrp(models::ActualLRP lrp) {
  auto record = std::make_shared<ActualLRPRecord>();
  record->lrp = std::move(lrp);
  models::fill_always_emitted(record->lrp);
  record->wire = models::encode(record->lrp);
  return record;
}

DesiredLRPPtr make_desired_lrp(models::DesiredLRP lrp, std::int64_t created_at) {
  auto record = std::make_shared<DesiredLRPRecord>();
  models::DesiredLRP derived = lrp;
  models::derive_metrics_guid(derived);
  record->wire = models::encode(derived);
  models::DesiredLRPSchedulingInfo scheduling_info = models::scheduling_info_of(lrp);
  record->scheduling_info = models::encode(scheduling_info);
  models::DesiredLRP routing_info = models::routing_info_of(lrp);
  record->routing_info = models::encode(routing_info);
  record->internal_hosts = models::internal_routes(lrp);
  record->created_at = created_at;
  record->lrp = std::move(lrp);
  return record;
}

TaskPtr make_task(models::Task task) {
  auto record = std::make_shared<TaskRecord>();
  record->task = std::move(task);
  record->wire = models::encode(record->task);
  return record;
}

DomainPtr make_domain(std::string name, std::int64_t expires_at) {
  return std::make_shared<const DomainRecord>(DomainRecord{std::move(name), expires_at});
}

}  // namespace rivera::bbs
