#include "bbs/records/record.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "base/check.h"
#include "models/forms/wire.h"
#include "models/forms/wire_fields.h"

namespace rivera::bbs {
namespace {

// Frees what it drops, which clearing would not.
void drop_large_parts(models::DesiredLRP& lrp) {
  models::DesiredLRP dropped;
  dropped.mutable_environment_variables()->Swap(lrp.mutable_environment_variables());
  dropped.mutable_egress_rules()->Swap(lrp.mutable_egress_rules());
  dropped.mutable_cached_dependencies()->Swap(lrp.mutable_cached_dependencies());
  dropped.mutable_image_layers()->Swap(lrp.mutable_image_layers());
  dropped.mutable_sidecars()->Swap(lrp.mutable_sidecars());
  dropped.mutable_volume_mounted_files()->Swap(lrp.mutable_volume_mounted_files());
  dropped.set_allocated_routes(lrp.release_routes());
  dropped.set_allocated_setup(lrp.release_setup());
  dropped.set_allocated_action(lrp.release_action());
  dropped.set_allocated_monitor(lrp.release_monitor());
  dropped.set_allocated_network(lrp.release_network());
  dropped.set_allocated_certificate_properties(lrp.release_certificate_properties());
  dropped.set_allocated_check_definition(lrp.release_check_definition());
}

// Equal bytes for equal messages: the tags, a map, in the order of their names.
std::string encoded_alike(const models::ActualLRP& lrp) {
  std::string bytes(lrp.ByteSizeLong(), '\0');
  {
    google::protobuf::io::ArrayOutputStream into(bytes.data(), static_cast<int>(bytes.size()));
    google::protobuf::io::CodedOutputStream output(&into);
    output.SetSerializationDeterministic(true);
    lrp.SerializeWithCachedSizes(&output);
  }
  return bytes;
}

}  // namespace

ActualLRPPtr make_actual_lrp(models::ActualLRP lrp) {
  auto record = std::make_shared<ActualLRPRecord>();
  models::fill_always_emitted(lrp);
  record->wire = encoded_alike(lrp);
  lrp.clear_actual_lrp_net_info();
  google::protobuf::Map<std::string, std::string>().swap(*lrp.mutable_metric_tags());  // clear() would keep memory
  record->lrp = std::move(lrp);
  return record;
}

models::ActualLRP ActualLRPRecord::whole() const {
  models::ActualLRP whole;
  RIVERA_CHECK(models::decode(wire, whole), "the bytes of a record can be decoded");
  return whole;
}

std::string_view ActualLRPRecord::net_info() const {
  return models::first_field(wire, models::ActualLRP::kActualLrpNetInfoFieldNumber);
}

ActualLRPRecord::MetricTags ActualLRPRecord::metric_tags() const {
  constexpr int kName = 1, kValue = 2;  // in each entry of a map
  MetricTags tags;
  std::string_view rest = wire;
  while (const auto tag = models::next_field(rest, models::ActualLRP::kMetricTagsFieldNumber)) {
    tags.emplace_back(models::first_field(*tag, kName), models::first_field(*tag, kValue));
  }
  return tags;
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
  drop_large_parts(lrp);
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
