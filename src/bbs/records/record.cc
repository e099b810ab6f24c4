#include "bbs/records/record.h"

#include "base/check.h"
#include "models/forms/wire.h"

namespace rivera::bbs {
namespace {

// Frees what it drops, which clearing would not.
void drop_definition(models::DesiredLRP& lrp) {
  models::DesiredLRP dropped;
  dropped.mutable_environment_variables()->Swap(lrp.mutable_environment_variables());
  dropped.mutable_egress_rules()->Swap(lrp.mutable_egress_rules());
  dropped.mutable_cached_dependencies()->Swap(lrp.mutable_cached_dependencies());
  dropped.mutable_image_layers()->Swap(lrp.mutable_image_layers());
  dropped.mutable_sidecars()->Swap(lrp.mutable_sidecars());
  dropped.mutable_volume_mounted_files()->Swap(lrp.mutable_volume_mounted_files());
  dropped.set_allocated_setup(lrp.release_setup());
  dropped.set_allocated_action(lrp.release_action());
  dropped.set_allocated_monitor(lrp.release_monitor());
  dropped.set_allocated_network(lrp.release_network());
  dropped.set_allocated_certificate_properties(lrp.release_certificate_properties());
  dropped.set_allocated_check_definition(lrp.release_check_definition());
}

}  // namespace

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
  record->has_image_layers = !lrp.image_layers().empty();
  drop_definition(lrp);
  record->lrp = std::move(lrp);
  return record;
}

models::DesiredLRP DesiredLRPRecord::whole() const {
  models::DesiredLRP whole;
  RIVERA_CHECK(models::decode(wire, whole), "the bytes of a record can be decoded");
  whole.set_metrics_guid(lrp.metrics_guid());  // these two as stored, not as derived
  *whole.mutable_metric_tags() = lrp.metric_tags();
  return whole;
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
