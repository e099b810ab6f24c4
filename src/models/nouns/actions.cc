#include "models/nouns/actions.h"

#include <algorithm>
#include <cctype>

#include "base/text.h"

namespace rivera::models {
namespace {

// "sha256", or nothing if the layer has no digest.
std::string algorithm_of(const ImageLayer& layer) {
  if (layer.digest_algorithm() == ImageLayer::DigestAlgorithmInvalid) return "";
  return base::to_lower(ImageLayer::DigestAlgorithm_Name(layer.digest_algorithm()));
}

std::string cache_key_of(const ImageLayer& layer) { return algorithm_of(layer) + ":" + layer.digest_value(); }

std::vector<Action> with_deprecated_timeouts(const google::protobuf::RepeatedPtrField<Action>& actions) {
  std::vector<Action> result;
  for (const auto& action : actions) result.push_back(models::with_deprecated_timeouts(action));
  return result;
}

template <typename List>
Action converted_list(const List& from) {
  List list;
  list.set_log_source(from.log_source());
  for (auto& action : with_deprecated_timeouts(from.actions())) *list.add_actions() = std::move(action);
  return wrap(std::move(list));
}

}  // namespace

ActionKind kind_of(const Action& action) {
  if (action.has_download_action()) return ActionKind::kDownload;
  if (action.has_upload_action()) return ActionKind::kUpload;
  if (action.has_run_action()) return ActionKind::kRun;
  if (action.has_timeout_action()) return ActionKind::kTimeout;
  if (action.has_emit_progress_action()) return ActionKind::kEmitProgress;
  if (action.has_try_action()) return ActionKind::kTry;
  if (action.has_parallel_action()) return ActionKind::kParallel;
  if (action.has_serial_action()) return ActionKind::kSerial;
  if (action.has_codependent_action()) return ActionKind::kCodependent;
  return ActionKind::kNone;
}

Action wrap(DownloadAction action) {
  Action result;
  *result.mutable_download_action() = std::move(action);
  return result;
}

Action wrap(UploadAction action) {
  Action result;
  *result.mutable_upload_action() = std::move(action);
  return result;
}

Action wrap(RunAction action) {
  Action result;
  *result.mutable_run_action() = std::move(action);
  return result;
}

Action wrap(TimeoutAction action) {
  Action result;
  *result.mutable_timeout_action() = std::move(action);
  return result;
}

Action wrap(EmitProgressAction action) {
  Action result;
  *result.mutable_emit_progress_action() = std::move(action);
  return result;
}

Action wrap(TryAction action) {
  Action result;
  *result.mutable_try_action() = std::move(action);
  return result;
}

Action wrap(ParallelAction action) {
  Action result;
  *result.mutable_parallel_action() = std::move(action);
  return result;
}

Action wrap(SerialAction action) {
  Action result;
  *result.mutable_serial_action() = std::move(action);
  return result;
}

Action wrap(CodependentAction action) {
  Action result;
  *result.mutable_codependent_action() = std::move(action);
  return result;
}

std::vector<CachedDependency> shared_layers_as_dependencies(
    const google::protobuf::RepeatedPtrField<ImageLayer>& layers) {
  std::vector<CachedDependency> dependencies;
  for (const auto& layer : layers) {
    if (layer.layer_type() != ImageLayer::SHARED) continue;
    auto& dependency = dependencies.emplace_back();
    dependency.set_name(layer.name());
    dependency.set_from(layer.url());
    dependency.set_to(layer.destination_path());
    dependency.set_checksum_algorithm(algorithm_of(layer));
    dependency.set_checksum_value(layer.digest_value());
    const bool has_digest = layer.digest_algorithm() != ImageLayer::DigestAlgorithmInvalid;
    dependency.set_cache_key(has_digest ? cache_key_of(layer) : layer.url());
  }
  return dependencies;
}

std::vector<DownloadAction> exclusive_layers_as_downloads(const google::protobuf::RepeatedPtrField<ImageLayer>& layers,
                                                          const std::string& user) {
  std::vector<DownloadAction> downloads;
  for (const auto& layer : layers) {
    if (layer.layer_type() != ImageLayer::EXCLUSIVE) continue;
    auto& download = downloads.emplace_back();
    download.set_artifact(layer.name());
    download.set_from(layer.url());
    download.set_to(layer.destination_path());
    download.set_cache_key(cache_key_of(layer));
    download.set_user(user);
    download.set_checksum_algorithm(algorithm_of(layer));
    download.set_checksum_value(layer.digest_value());
  }
  return downloads;
}

Action downloads_before(std::vector<DownloadAction> downloads, const Action* next) {
  if (downloads.empty()) return next == nullptr ? Action() : *next;
  ParallelAction parallel;
  for (auto& download : downloads) *parallel.add_actions() = wrap(std::move(download));
  if (next == nullptr) return wrap(std::move(parallel));
  SerialAction serial;
  *serial.add_actions() = wrap(std::move(parallel));
  *serial.add_actions() = *next;
  return wrap(std::move(serial));
}

Action with_deprecated_timeouts(const Action& action) {
  constexpr std::int64_t kNanosecondsPerMillisecond = 1'000'000;
  switch (kind_of(action)) {
    case ActionKind::kTimeout: {
      Action result = action;
      auto& timeout = *result.mutable_timeout_action();
      timeout.set_deprecated_timeout_ns(timeout.timeout_ms() * kNanosecondsPerMillisecond);
      return result;
    }
    case ActionKind::kEmitProgress:
      return with_deprecated_timeouts(action.emit_progress_action().action());
    case ActionKind::kTry:
      return with_deprecated_timeouts(action.try_action().action());
    case ActionKind::kParallel:
      return converted_list(action.parallel_action());
    case ActionKind::kSerial:
      return converted_list(action.serial_action());
    case ActionKind::kCodependent:
      return converted_list(action.codependent_action());
    case ActionKind::kNone:
    case ActionKind::kDownload:
    case ActionKind::kUpload:
    case ActionKind::kRun:
      return action;
  }
  return action;
}

}  // namespace rivera::models
