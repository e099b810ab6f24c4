// Actions: constructing and reading the union (docs/spec/bbs.md §2.4).
#pragma once

#include <vector>

#include "actions.pb.h"
#include "cached_dependency.pb.h"
#include "image_layer.pb.h"

namespace rivera::models {

enum class ActionKind {
  kNone,
  kDownload,
  kUpload,
  kRun,
  kTimeout,
  kEmitProgress,
  kTry,
  kParallel,
  kSerial,
  kCodependent
};

// The effective member: of several set ones, the first in the order above.
ActionKind kind_of(const Action& action);

// An Action with one member set.
Action wrap(DownloadAction action);
Action wrap(UploadAction action);
Action wrap(RunAction action);
Action wrap(TimeoutAction action);
Action wrap(EmitProgressAction action);
Action wrap(TryAction action);
Action wrap(ParallelAction action);
Action wrap(SerialAction action);
Action wrap(CodependentAction action);

// Layers as older readers know them (docs/spec/bbs.md §2.14): the SHARED ones as cached dependencies, the EXCLUSIVE
// ones as downloads by `user`.
std::vector<CachedDependency> shared_layers_as_dependencies(
    const google::protobuf::RepeatedPtrField<ImageLayer>& layers);
std::vector<DownloadAction> exclusive_layers_as_downloads(const google::protobuf::RepeatedPtrField<ImageLayer>& layers,
                                                          const std::string& user);
// All downloads at once, then `next` if it is not null. Without downloads: `next` alone, or an empty action.
Action downloads_before(std::vector<DownloadAction> downloads, const Action* next);

// Gives the timeouts of an action in the deprecated field too, outermost ones only. Try and EmitProgress wrappers
// outside a timeout are lost, as upstream (docs/spec/bbs.md §2.14 "V2 → V0").
Action with_deprecated_timeouts(const Action& action);

}  // namespace rivera::models
