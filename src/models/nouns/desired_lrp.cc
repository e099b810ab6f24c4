#include "models/nouns/desired_lrp.h"

#include <algorithm>
#include <set>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "models/errors.h"
#include "models/forms/wire.h"
#include "models/go/go_document.h"
#include "models/go/go_values.h"
#include "models/nouns/actions.h"

namespace rivera::models {
namespace {

namespace json = boost::json;
using Tags = google::protobuf::Map<std::string, MetricTagValue>;

constexpr std::string_view kSourceId = "source_id";
constexpr std::size_t kMaxJsonDepth = 512;

void fill_key(const DesiredLRP& lrp, DesiredLRPKey& key) {
  key.set_process_guid(lrp.process_guid());
  key.set_domain(lrp.domain());
  key.set_log_guid(lrp.log_guid());
}

// The fields that DesiredLRP and DesiredLRPRunInfo share under the same names.
template <typename From, typename To>
void copy_run_fields(const From& from, To& to) {
  *to.mutable_environment_variables() = from.environment_variables();
  if (from.has_setup()) *to.mutable_setup() = from.setup();
  if (from.has_action()) *to.mutable_action() = from.action();
  if (from.has_monitor()) *to.mutable_monitor() = from.monitor();
  to.set_deprecated_start_timeout_s(from.deprecated_start_timeout_s());
  to.set_privileged(from.privileged());
  to.set_cpu_weight(from.cpu_weight());
  *to.mutable_ports() = from.ports();
  *to.mutable_egress_rules() = from.egress_rules();
  to.set_log_source(from.log_source());
  to.set_metrics_guid(from.metrics_guid());
  *to.mutable_cached_dependencies() = from.cached_dependencies();
  to.set_legacy_download_user(from.legacy_download_user());
  to.set_trusted_system_certificates_path(from.trusted_system_certificates_path());
  *to.mutable_volume_mounts() = from.volume_mounts();
  if (from.has_network()) *to.mutable_network() = from.network();
  to.set_start_timeout_ms(from.start_timeout_ms());
  if (from.has_certificate_properties()) *to.mutable_certificate_properties() = from.certificate_properties();
  to.set_image_username(from.image_username());
  to.set_image_password(from.image_password());
  if (from.has_check_definition()) *to.mutable_check_definition() = from.check_definition();
  *to.mutable_image_layers() = from.image_layers();
  *to.mutable_sidecars() = from.sidecars();
  if (from.has_log_rate_limit()) *to.mutable_log_rate_limit() = from.log_rate_limit();
  *to.mutable_volume_mounted_files() = from.volume_mounted_files();
}

void remove_duplicates(google::protobuf::RepeatedField<std::uint32_t>& ports) {
  std::set<std::uint32_t> seen;
  auto end = std::remove_if(ports.begin(), ports.end(), [&](auto port) { return !seen.insert(port).second; });
  ports.Truncate(static_cast<int>(end - ports.begin()));
}

void compact(ProtoRoutes& routes) {
  for (auto& [name, text] : *routes.mutable_routes()) {
    auto compacted = compacted_json(text);
    if (!compacted) throw bad_request();
    text = std::move(*compacted);
  }
}

json::parse_options deep() {
  json::parse_options options;
  options.max_depth = kMaxJsonDepth;
  return options;
}

// Layers become dependencies and a download before `next` (docs/spec/bbs.md §2.14, V3 → V2).
template <typename Definition>
void layers_to_v2(Definition& definition, Action* next, bool has_next) {
  auto dependencies = shared_layers_as_dependencies(definition.image_layers());
  for (const auto& own : definition.cached_dependencies()) dependencies.push_back(own);
  definition.clear_cached_dependencies();
  for (auto& dependency : dependencies) *definition.add_cached_dependencies() = std::move(dependency);

  auto downloads = exclusive_layers_as_downloads(definition.image_layers(), definition.legacy_download_user());
  if (!downloads.empty()) *next = downloads_before(std::move(downloads), has_next ? next : nullptr);
  definition.clear_image_layers();
}

// docs/spec/bbs.md §2.14, V2 → V0.
void dependencies_to_v0(DesiredLRP& lrp) {
  if (lrp.cached_dependencies().empty()) return;
  ParallelAction downloads;
  for (const auto& dependency : lrp.cached_dependencies()) {
    DownloadAction download;
    download.set_artifact(dependency.name());
    download.set_from(dependency.from());
    download.set_to(dependency.to());
    download.set_cache_key(dependency.cache_key());
    download.set_log_source(dependency.log_source());
    download.set_user(lrp.legacy_download_user());
    *downloads.add_actions() = wrap(std::move(download));
  }
  SerialAction serial;
  *serial.add_actions() = wrap(std::move(downloads));
  if (lrp.has_setup()) *serial.add_actions() = lrp.setup();
  *lrp.mutable_setup() = wrap(std::move(serial));
  lrp.clear_cached_dependencies();
}

void timeouts_to_v0(DesiredLRP& lrp) {
  lrp.set_deprecated_start_timeout_s(static_cast<std::uint32_t>(lrp.start_timeout_ms() / 1000));
  if (lrp.has_action()) *lrp.mutable_action() = with_deprecated_timeouts(lrp.action());
  if (lrp.has_setup()) *lrp.mutable_setup() = with_deprecated_timeouts(lrp.setup());
  if (lrp.has_monitor()) *lrp.mutable_monitor() = with_deprecated_timeouts(lrp.monitor());
}

const std::string* find_entry(const ProtoRoutes& routes, std::string_view name) {
  auto entry = routes.routes().find(std::string(name));
  return entry == routes.routes().end() ? nullptr : &entry->second;
}

}  // namespace

DesiredLRPSchedulingInfo scheduling_info_of(const DesiredLRP& lrp) {
  DesiredLRPSchedulingInfo info;
  fill_key(lrp, *info.mutable_desired_lrp_key());
  info.set_annotation(lrp.annotation());
  info.set_instances(lrp.instances());
  auto& resource = *info.mutable_desired_lrp_resource();
  resource.set_memory_mb(lrp.memory_mb());
  resource.set_disk_mb(lrp.disk_mb());
  resource.set_root_fs(lrp.root_fs());
  resource.set_max_pids(lrp.max_pids());
  *info.mutable_routes() = lrp.routes();
  *info.mutable_modification_tag() = lrp.modification_tag();
  auto& placement = *info.mutable_volume_placement();
  for (const auto& mount : lrp.volume_mounts()) placement.add_driver_names(mount.driver());
  *info.mutable_placement_tags() = lrp.placement_tags();
  return info;
}

DesiredLRP routing_info_of(const DesiredLRP& lrp) {
  DesiredLRP info;
  info.set_process_guid(lrp.process_guid());
  info.set_domain(lrp.domain());
  info.set_log_guid(lrp.log_guid());
  info.set_instances(lrp.instances());
  *info.mutable_routes() = lrp.routes();
  *info.mutable_modification_tag() = lrp.modification_tag();
  *info.mutable_metric_tags() = lrp.metric_tags();
  return info;
}

DesiredLRPRunInfo run_info_of(const DesiredLRP& lrp, std::int64_t created_at) {
  DesiredLRPRunInfo info;
  fill_key(lrp, *info.mutable_desired_lrp_key());
  copy_run_fields(lrp, info);
  info.set_created_at(created_at);
  return info;
}

DesiredLRP desired_lrp_of(const DesiredLRPSchedulingInfo& info, const DesiredLRPRunInfo& run_info) {
  DesiredLRP lrp;
  lrp.set_process_guid(info.desired_lrp_key().process_guid());
  lrp.set_domain(info.desired_lrp_key().domain());
  lrp.set_log_guid(info.desired_lrp_key().log_guid());
  lrp.set_annotation(info.annotation());
  lrp.set_instances(info.instances());
  lrp.set_memory_mb(info.desired_lrp_resource().memory_mb());
  lrp.set_disk_mb(info.desired_lrp_resource().disk_mb());
  lrp.set_root_fs(info.desired_lrp_resource().root_fs());
  lrp.set_max_pids(info.desired_lrp_resource().max_pids());
  *lrp.mutable_routes() = info.routes();
  *lrp.mutable_modification_tag() = info.modification_tag();
  *lrp.mutable_placement_tags() = info.placement_tags();
  copy_run_fields(run_info, lrp);
  return lrp;
}

DesiredLRP as_stored(DesiredLRP request, std::string epoch) {
  request.clear_deprecated_start_timeout_s();
  request.clear_modification_tag();
  request.mutable_modification_tag()->set_epoch(std::move(epoch));
  compact(*request.mutable_routes());
  remove_duplicates(*request.mutable_ports());
  return request;
}

void apply_update(DesiredLRP& lrp, const DesiredLRPUpdate& update) {
  if (update.has_routes()) {
    ProtoRoutes routes = update.routes();
    compact(routes);
    *lrp.mutable_routes() = std::move(routes);
  }
  auto& tag = *lrp.mutable_modification_tag();
  tag.set_index(tag.index() + 1);
  if (update.optional_instances_case() == DesiredLRPUpdate::kInstances) lrp.set_instances(update.instances());
  if (update.optional_annotation_case() == DesiredLRPUpdate::kAnnotation) lrp.set_annotation(update.annotation());
  if (!update.metric_tags().empty()) *lrp.mutable_metric_tags() = update.metric_tags();
  if (update.optional_image_username_case() == DesiredLRPUpdate::kImageUsername) {
    lrp.set_image_username(update.image_username());
  }
  if (update.optional_image_password_case() == DesiredLRPUpdate::kImagePassword) {
    lrp.set_image_password(update.image_password());
  }
}

void derive_metrics_guid(DesiredLRP& lrp) {
  auto& tags = *lrp.mutable_metric_tags();
  auto tag = tags.find(std::string(kSourceId));
  if (lrp.metrics_guid().empty()) {
    if (tag != tags.end()) lrp.set_metrics_guid(tag->second.static_());
  } else if (tag == tags.end()) {
    tags[std::string(kSourceId)].set_static_(lrp.metrics_guid());
  }
}

void down_convert(DesiredLRP& lrp, DefinitionVersion version) {
  if (version == DefinitionVersion::kV3) return;
  if (!lrp.image_layers().empty()) {
    const bool has_setup = lrp.has_setup();
    Action setup = lrp.setup();
    layers_to_v2(lrp, &setup, has_setup);
    if (has_setup || kind_of(setup) != ActionKind::kNone) *lrp.mutable_setup() = std::move(setup);
  }
  if (version == DefinitionVersion::kV2) return;
  dependencies_to_v0(lrp);
  timeouts_to_v0(lrp);
}

void down_convert(TaskDefinition& definition, DefinitionVersion version) {
  if (version == DefinitionVersion::kV3 || definition.image_layers().empty()) return;
  const bool has_action = definition.has_action();
  Action action = definition.action();
  layers_to_v2(definition, &action, has_action);
  if (has_action || kind_of(action) != ActionKind::kNone) *definition.mutable_action() = std::move(action);
}

std::optional<std::string_view> route_entry(const DesiredLRP& lrp, std::string_view name) {
  const auto* entry = find_entry(lrp.routes(), name);
  if (entry == nullptr) return std::nullopt;
  return *entry;
}

std::vector<std::string> internal_routes(const ProtoRoutes& routes) {
  std::vector<std::string> names;
  const auto* entry = find_entry(routes, kInternalRouter);
  if (entry == nullptr) return names;
  boost::system::error_code error;
  const auto list = json::parse(valid_utf8(*entry), error, {}, deep());
  if (error || !list.is_array()) return names;
  for (const auto& route : list.get_array()) {
    const auto* name = route.is_object() ? route.get_object().if_contains("hostname") : nullptr;
    if (name != nullptr && name->is_string()) names.emplace_back(name->get_string());
  }
  return names;
}

std::vector<std::string> internal_routes(const DesiredLRP& lrp) { return internal_routes(lrp.routes()); }

bool has_internal_routes_entry(const ProtoRoutes& routes) { return find_entry(routes, kInternalRouter) != nullptr; }

bool internal_routes_differ(const ProtoRoutes& before, const ProtoRoutes& after) {
  const auto* old_entry = find_entry(before, kInternalRouter);
  const auto* new_entry = find_entry(after, kInternalRouter);
  if (old_entry == nullptr || new_entry == nullptr) return old_entry != new_entry;
  return *old_entry != *new_entry;
}

bool metric_tags_equal(const Tags& a, const Tags& b) {
  if (a.size() != b.size()) return false;
  return std::all_of(a.begin(), a.end(), [&b](const auto& tag) {
    auto other = b.find(tag.first);
    return other != b.end() && other->second.static_() == tag.second.static_() &&
           other->second.dynamic() == tag.second.dynamic();
  });
}

std::optional<std::string> compacted_json(std::string_view text) {
  const std::string clean = valid_utf8(text);
  try {
    go_json::read_document(clean, static_cast<int>(kMaxJsonDepth));
  } catch (const JsonError&) {
    return std::nullopt;
  }
  return go_json::compacted(clean);
}

}  // namespace rivera::models
