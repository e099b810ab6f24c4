// Validation of desired LRPs, their updates, and task definitions, in upstream's order.
#include <algorithm>

#include "models/errors.h"
#include "models/go/go_url.h"
#include "models/validation/validation_report.h"

namespace rivera::models {
namespace {

using TagValues = google::protobuf::Map<std::string, MetricTagValue>;
using Files = google::protobuf::RepeatedPtrField<File>;

constexpr std::size_t kMaxAnnotation = std::size_t{10} * 1024;
constexpr std::size_t kMaxRoutes = std::size_t{128} * 1024;
constexpr std::size_t kMaxMountedFiles = std::size_t{1024} * 1024;

bool is_url_with_scheme(const std::string& text) {
  const auto url = split_go_url(text);
  return url && !url->scheme.empty();
}

bool fits(const Files& files) {
  std::size_t total = 0;
  for (const auto& file : files) total += file.content().size();
  return total <= kMaxMountedFiles;
}

bool fits(const ProtoRoutes& routes) {
  std::size_t total = 0;
  for (const auto& [name, text] : routes.routes()) total += text.size();
  return total <= kMaxRoutes;
}

// Unordered on the wire: checked by name, so that the findings do not depend on a hash.
Findings tag_findings(const TagValues& tags) {
  std::vector<std::string> names;
  for (const auto& [name, value] : tags) names.push_back(name);
  std::ranges::sort(names);
  Report report;
  for (const auto& name : names) report.all(findings(tags.at(name)));
  return report.take();
}

Findings tag_findings(const DesiredLRP& lrp) {
  Report report;
  report.all(tag_findings(lrp.metric_tags()));
  if (lrp.metrics_guid().empty()) return report.take();
  const auto source = lrp.metric_tags().find("source_id");
  if (source == lrp.metric_tags().end() || source->second.static_() != lrp.metrics_guid()) {
    report.field("source_id should match metrics_guid");
  }
  return report.take();
}

void check_image_credentials(Report& report, bool has_username, bool has_password) {
  if (has_username && !has_password) report.field("image_password");
  if (has_password && !has_username) report.field("image_username");
}

template <typename Definition>
void check_action(Report& report, const Definition& definition) {
  if (!definition.has_action()) {
    report.text("invalid action type");
  } else {
    report.inside("action", findings(definition.action()));
  }
}

template <typename Definition>
void check_dependencies_and_layers(Report& report, const Definition& definition) {
  for (const auto& dependency : definition.cached_dependencies()) {
    report.inside("cached_dependency", findings(dependency));
  }
  bool has_exclusive = false;
  for (const auto& layer : definition.image_layers()) {
    report.inside("image_layer", findings(layer));
    has_exclusive = has_exclusive || layer.layer_type() == ImageLayer::EXCLUSIVE;
  }
  if (has_exclusive && definition.legacy_download_user().empty()) report.field("legacy_download_user");
}

// Findings about scheduling, and about the record as a whole.
void check_desired(Report& report, const DesiredLRP& lrp) {
  if (!fits(lrp.volume_mounted_files())) report.field("volumeMountedFiles");
  if (lrp.domain().empty()) report.field("domain");
  if (lrp.root_fs().empty()) report.field("rootfs");
  if (!is_url_with_scheme(lrp.root_fs())) report.field("rootfs");
  if (lrp.instances() < 0) report.field("instances");
  if (lrp.memory_mb() < 0) report.field("memory_mb");
  if (lrp.disk_mb() < 0) report.field("disk_mb");
  if (lrp.log_rate_limit().bytes_per_second() < -1) report.field("log_rate_limit_bytes_per_second");
  if (lrp.annotation().size() > kMaxAnnotation) report.field("annotation");
  if (lrp.max_pids() < 0) report.field("max_pids");
  if (!fits(lrp.routes())) report.field("routes");
  if (lrp.metric_tags().empty()) report.field("metric_tags");
  report.inside("metric_tags", tag_findings(lrp));
}

// Findings about what a cell needs to run it.
void check_run_info(Report& report, const DesiredLRP& lrp) {
  if (lrp.domain().empty()) report.field("domain");
  if (!is_valid_guid(lrp.process_guid())) report.field("process_guid");
  if (!fits(lrp.volume_mounted_files())) report.field("volumeMountedFiles");
  if (lrp.has_setup()) report.inside("setup", findings(lrp.setup()));
  check_action(report, lrp);
  if (lrp.has_monitor()) report.inside("monitor", findings(lrp.monitor()));
  for (const auto& variable : lrp.environment_variables()) {
    if (variable.name().empty()) report.text("invalid field: name cannot be blank");
  }
  for (const auto& rule : lrp.egress_rules()) report.inside("egress_rules", findings(rule));
  check_dependencies_and_layers(report, lrp);
  for (const auto& sidecar : lrp.sidecars()) report.inside("sidecars", findings(sidecar));
  for (const auto& mount : lrp.volume_mounts()) report.all(findings(mount));
  check_image_credentials(report, !lrp.image_username().empty(), !lrp.image_password().empty());
  report.inside("check_definition", findings(lrp.check_definition()));
  if (lrp.log_rate_limit().bytes_per_second() < -1) report.field("log_rate_limit");
}

}  // namespace

void Report::raise() const {
  if (findings_.empty()) return;
  std::string joined;
  for (const auto& finding : findings_) joined += (joined.empty() ? "" : ", ") + finding;
  throw invalid_request(std::move(joined));
}

bool is_valid_guid(std::string_view guid) {
  auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  return !guid.empty() && std::ranges::all_of(guid, is_allowed);
}

Findings findings(const DesiredLRP& lrp) {
  Report report;
  check_desired(report, lrp);
  check_run_info(report, lrp);
  return report.take();
}

Findings findings(const DesiredLRPUpdate& update) {
  Report report;
  if (update.instances() < 0) report.field("instances");
  if (update.annotation().size() > kMaxAnnotation) report.field("annotation");
  if (!fits(update.routes())) report.field("routes");
  report.inside("metric_tags", tag_findings(update.metric_tags()));
  check_image_credentials(report, update.optional_image_username_case() == DesiredLRPUpdate::kImageUsername,
                          update.optional_image_password_case() == DesiredLRPUpdate::kImagePassword);
  return report.take();
}

Findings findings(const TaskDefinition& definition) {
  Report report;
  if (!is_url_with_scheme(definition.root_fs())) report.field("rootfs");
  check_action(report, definition);
  if (definition.memory_mb() < 0) report.field("memory_mb");
  if (definition.disk_mb() < 0) report.field("disk_mb");
  if (definition.log_rate_limit().bytes_per_second() < -1) report.field("log_rate_limit");
  if (definition.max_pids() < 0) report.field("max_pids");
  if (definition.annotation().size() > kMaxAnnotation) report.field("annotation");
  for (const auto& rule : definition.egress_rules()) {
    if (!findings(rule).empty()) report.field("egress_rules");
  }
  check_image_credentials(report, !definition.image_username().empty(), !definition.image_password().empty());
  check_dependencies_and_layers(report, definition);
  return report.take();
}

}  // namespace rivera::models
