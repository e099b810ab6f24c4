// Validation of the parts of definitions.
#include <algorithm>
#include <cctype>

#include "base/text.h"
#include "models/nouns/actions.h"
#include "models/validation/validation_report.h"

namespace rivera::models {
namespace {

constexpr std::uint32_t kHighestPort = 65535;

Findings inner_findings(bool is_present, const Action& action) {
  if (!is_present) return Report().field("action").take();
  return findings(action);
}

Findings list_findings(const google::protobuf::RepeatedPtrField<Action>& actions) {
  Report report;
  if (actions.empty()) report.field("actions");
  for (const auto& action : actions) report.all(findings(action));
  return report.take();
}

Findings download_findings(const DownloadAction& download) {
  Report report;
  if (download.from().empty()) report.field("from");
  if (download.to().empty()) report.field("to");
  if (download.user().empty()) report.field("user");
  check_checksum(report, download.checksum_algorithm(), download.checksum_value());
  return report.take();
}

Findings upload_findings(const UploadAction& upload) {
  Report report;
  if (upload.to().empty()) report.field("to");
  if (upload.from().empty()) report.field("from");
  if (upload.user().empty()) report.field("user");
  return report.take();
}

Findings run_findings(const RunAction& run) {
  Report report;
  if (run.path().empty()) report.field("path");
  if (run.user().empty()) report.field("user");
  return report.take();
}

Findings timeout_findings(const TimeoutAction& timeout) {
  Report report;
  report.all(inner_findings(timeout.has_action(), timeout.action()));
  if (timeout.timeout_ms() <= 0) report.field("timeout_ms");
  return report.take();
}

bool is_port(std::uint32_t port) { return port >= 1 && port <= kHighestPort; }

void check(Report& report, const Check& check) {
  if (check.has_tcp_check() && check.has_http_check()) {
    report.field("check");
  } else if (check.has_tcp_check()) {
    if (!is_port(check.tcp_check().port())) report.field("port");
  } else if (!is_port(check.http_check().port())) {
    report.field("port");
  }
}

}  // namespace

Findings findings(const Action& action) {
  switch (kind_of(action)) {
    case ActionKind::kNone:
      return Report().field("inner-action").take();
    case ActionKind::kDownload:
      return download_findings(action.download_action());
    case ActionKind::kUpload:
      return upload_findings(action.upload_action());
    case ActionKind::kRun:
      return run_findings(action.run_action());
    case ActionKind::kTimeout:
      return timeout_findings(action.timeout_action());
    case ActionKind::kEmitProgress:
      return inner_findings(action.emit_progress_action().has_action(), action.emit_progress_action().action());
    case ActionKind::kTry:
      return inner_findings(action.try_action().has_action(), action.try_action().action());
    case ActionKind::kParallel:
      return list_findings(action.parallel_action().actions());
    case ActionKind::kSerial:
      return list_findings(action.serial_action().actions());
    case ActionKind::kCodependent:
      return list_findings(action.codependent_action().actions());
  }
  return {};
}

void check_checksum(Report& report, const std::string& algorithm, const std::string& value) {
  if (algorithm.empty() && value.empty()) return;
  if (algorithm.empty()) {
    report.field("checksum algorithm");
  } else if (value.empty()) {
    report.field("checksum value");
  } else if (const auto name = base::to_lower(algorithm); name != "md5" && name != "sha1" && name != "sha256") {
    report.field("invalid algorithm");
  }
}

Findings findings(const CachedDependency& dependency) {
  Report report;
  if (dependency.from().empty()) report.field("from");
  if (dependency.to().empty()) report.field("to");
  check_checksum(report, dependency.checksum_algorithm(), dependency.checksum_value());
  return report.take();
}

Findings findings(const ImageLayer& layer) {
  const bool is_exclusive = layer.layer_type() == ImageLayer::EXCLUSIVE;
  const bool has_value = !layer.digest_value().empty();
  const bool has_algorithm = layer.digest_algorithm() != ImageLayer::DigestAlgorithmInvalid;
  const bool knows_algorithm = has_algorithm && ImageLayer::DigestAlgorithm_IsValid(layer.digest_algorithm());
  auto is_known = [](bool is_valid, int number) { return is_valid && number != 0; };

  Report report;
  if (layer.url().empty()) report.field("url");
  if (layer.destination_path().empty()) report.field("destination_path");
  if (!is_known(ImageLayer::Type_IsValid(layer.layer_type()), layer.layer_type())) report.field("layer_type");
  if (!is_known(ImageLayer::MediaType_IsValid(layer.media_type()), layer.media_type())) report.field("media_type");
  if ((has_value || is_exclusive) && !has_algorithm) report.field("digest_algorithm");
  if ((has_algorithm || is_exclusive) && !has_value) report.field("digest_value");
  if (has_value && !knows_algorithm) report.field("digest_algorithm");
  return report.take();
}

Findings findings(const Sidecar& sidecar) {
  Report report;
  if (!sidecar.has_action()) {
    report.text("invalid action type");
  } else {
    report.inside("action", findings(sidecar.action()));
  }
  if (sidecar.memory_mb() < 0) report.field("memory_mb");
  if (sidecar.disk_mb() < 0) report.field("disk_mb");
  return report.take();
}

Findings findings(const VolumeMount& mount) {
  Report report;
  if (mount.driver().empty()) report.text("invalid volume_mount driver");
  if (mount.mode() != "r" && mount.mode() != "rw") report.text("invalid volume_mount mode");
  if (mount.has_shared() && mount.shared().volume_id().empty()) report.text("invalid volume_mount volume id");
  if (mount.has_dedicated() && mount.dedicated().mounter_id().empty()) report.text("invalid volume_mount mounter id");
  return report.take();
}

Findings findings(const CheckDefinition& definition) {
  Report report;
  for (const auto& one : definition.checks()) check(report, one);
  for (const auto& one : definition.readiness_checks()) check(report, one);
  return report.take();
}

Findings findings(const MetricTagValue& tag) {
  const bool has_dynamic = tag.dynamic() == MetricTagValue::INDEX || tag.dynamic() == MetricTagValue::INSTANCE_GUID;
  if (tag.static_().empty() != has_dynamic) return Report().field("static").field("dynamic").take();
  return {};
}

}  // namespace rivera::models
