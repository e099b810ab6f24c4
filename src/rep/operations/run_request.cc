#include "rep/operations/run_request.h"

#include <algorithm>

#include "models/nouns/actions.h"
#include "models/nouns/actual_lrp.h"
#include "models/nouns/desired_lrp.h"
#include "net/http/http.h"
#include "rep/settings/root_fs.h"

namespace rivera::rep {
namespace {

using Layers = google::protobuf::RepeatedPtrField<models::ImageLayer>;

template <typename Message>
std::vector<Message> list_of(const google::protobuf::RepeatedPtrField<Message>& messages) {
  return {messages.begin(), messages.end()};
}

std::map<std::string, std::string> map_of(const google::protobuf::Map<std::string, std::string>& map) {
  return {map.begin(), map.end()};
}

models::EnvironmentVariable variable(const std::string& name, const std::string& value) {
  models::EnvironmentVariable out;
  out.set_name(name);
  out.set_value(value);
  return out;
}

bool is_foldable(const models::ImageLayer& layer) {
  return layer.layer_type() == models::ImageLayer::EXCLUSIVE && layer.media_type() == models::ImageLayer::TGZ &&
         layer.digest_algorithm() == models::ImageLayer::SHA256;
}

// Moves the first suitable layer from the list into the URL of the root filesystem.
std::string fold_first_layer(const std::string& root_fs, Layers& layers) {
  constexpr std::string_view kScheme = "preloaded:";
  const auto found = std::find_if(layers.begin(), layers.end(), is_foldable);
  if (!root_fs.starts_with(kScheme) || found == layers.end()) return root_fs;
  auto url = "preloaded+layer:" + root_fs.substr(kScheme.size()) + "?layer=" + net::percent_encode(found->url()) +
             "&layer_path=" + net::percent_encode(found->destination_path()) +
             "&layer_digest=" + net::percent_encode(found->digest_value());
  layers.erase(found);
  return url;
}

// Sets what LRPs and tasks have in common, layers included.
template <typename Definition>
void set_common(executor::RunInfo& info, const Definition& definition, const models::Action* setup,
                const ConversionTerms& terms) {
  Layers layers = definition.image_layers();
  auto root_fs = definition.root_fs();
  if (terms.layering_mode == LayeringMode::kTwoLayer) root_fs = fold_first_layer(root_fs, layers);
  info.rootfs = resolve_root_fs(root_fs, terms.stacks);

  info.cached_dependencies = models::shared_layers_as_dependencies(layers);
  const auto own = list_of(definition.cached_dependencies());
  info.cached_dependencies.insert(info.cached_dependencies.end(), own.begin(), own.end());
  auto whole_setup =
      models::downloads_before(models::exclusive_layers_as_downloads(layers, definition.legacy_download_user()), setup);
  if (models::kind_of(whole_setup) != models::ActionKind::kNone) info.setup = std::move(whole_setup);

  info.privileged = definition.privileged();
  if (definition.has_action()) info.action = definition.action();
  info.egress_rules = list_of(definition.egress_rules());
  info.trusted_system_certificates_path = definition.trusted_system_certificates_path();
  info.volume_mounts = list_of(definition.volume_mounts());
  for (const auto& mount : info.volume_mounts) {
    if (mount.mode() != "r" && mount.mode() != "rw") throw std::invalid_argument("unrecognized volume mount mode");
  }
  info.network_properties = map_of(definition.network().properties());
  info.certificate_properties = definition.certificate_properties();
  info.image_username = definition.image_username();
  info.image_password = definition.image_password();
  info.log_rate_limit_bytes_per_second =
      definition.has_log_rate_limit() ? definition.log_rate_limit().bytes_per_second() : -1;
  info.volume_mounted_files = list_of(definition.volume_mounted_files());
}

// A task has neither an index nor an instance guid.
void check_tags_of_task(const google::protobuf::Map<std::string, models::MetricTagValue>& tags) {
  for (const auto& [name, value] : tags) {
    const auto kind = value.dynamic();
    if (kind == models::MetricTagValue::INDEX || kind == models::MetricTagValue::INSTANCE_GUID) {
      throw std::invalid_argument("a task has no value for the metric tag " + name);
    }
  }
}

}  // namespace

executor::RunRequest run_request_of(const models::DesiredLRP& lrp, const LRPIdentity& identity,
                                    const ConversionTerms& terms) {
  executor::RunRequest request;
  request.guid = identity.instance.instance_guid();
  auto& info = request.run_info;
  set_common(info, lrp, lrp.has_setup() ? &lrp.setup() : nullptr, terms);

  const auto index = std::to_string(identity.key.index());
  info.cpu_weight = std::max<std::uint32_t>(lrp.cpu_weight(), 1);
  info.ports.assign(lrp.ports().begin(), lrp.ports().end());
  info.internal_routes = models::internal_routes(lrp);
  const auto tags = models::evaluated_tags(lrp.metric_tags(), identity.key.index(), request.guid);
  info.log_config = {.owner = lrp.process_guid(),
                     .guid = lrp.log_guid(),
                     .index = identity.key.index(),
                     .source_name = lrp.log_source(),
                     .tags = tags};
  info.metrics_config = {.guid = lrp.metrics_guid(), .index = identity.key.index(), .tags = tags};
  info.start_timeout = std::chrono::milliseconds(lrp.start_timeout_ms());
  if (lrp.has_monitor()) info.monitor = lrp.monitor();
  if (lrp.has_check_definition()) info.check_definition = lrp.check_definition();
  info.env = {variable("INSTANCE_GUID", request.guid), variable("INSTANCE_INDEX", index),
              variable("CF_INSTANCE_GUID", request.guid), variable("CF_INSTANCE_INDEX", index)};
  info.env.insert(info.env.end(), lrp.environment_variables().begin(), lrp.environment_variables().end());
  info.enable_container_proxy = lrp.ports_size() > 0;
  info.sidecars = list_of(lrp.sidecars());
  return request;
}

executor::RunRequest run_request_of(const models::Task& task, const ConversionTerms& terms) {
  const auto& definition = task.task_definition();
  executor::RunRequest request;
  request.guid = task.task_guid();
  auto& info = request.run_info;
  set_common(info, definition, nullptr, terms);
  info.cpu_weight = definition.cpu_weight();
  check_tags_of_task(definition.metric_tags());
  const auto tags = models::evaluated_tags(definition.metric_tags(), 0, "");
  info.log_config = {.owner = task.task_guid(),
                     .guid = definition.log_guid(),
                     .index = 0,
                     .source_name = definition.log_source(),
                     .tags = tags};
  info.metrics_config = {.guid = definition.metrics_guid(), .index = 0, .tags = tags};
  info.env = list_of(definition.environment_variables());
  request.tags[kResultFileTag] = definition.result_file();
  return request;
}

}  // namespace rivera::rep
