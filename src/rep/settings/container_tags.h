// The tags that the rep attaches to containers (docs/spec/cell.md §1.11). Pure functions.
#pragma once

#include <optional>
#include <string>

#include "executor/container/container.h"
#include "models/models.h"
#include "models/placement/cell_state.h"

namespace rivera::rep {

inline constexpr const char* kLifecycleTag = "lifecycle";
inline constexpr const char* kDomainTag = "domain";
inline constexpr const char* kProcessGuidTag = "process-guid";
inline constexpr const char* kProcessIndexTag = "process-index";
inline constexpr const char* kInstanceGuidTag = "instance-guid";
inline constexpr const char* kPlacementTagsTag = "placement-tags";
inline constexpr const char* kVolumeDriversTag = "volume-drivers";
inline constexpr const char* kResultFileTag = "result-file";

enum class Lifecycle { kLRP, kTask, kUnknown };
Lifecycle lifecycle_of(const executor::Container& container);

executor::Tags tags_of(const models::CellLRP& lrp, const std::string& instance_guid);
executor::Tags tags_of(const models::CellTask& task);

// The instance of the container; nullopt if its tags do not name one.
struct LRPIdentity {
  models::ActualLRPKey key;
  models::ActualLRPInstanceKey instance;
};
std::optional<LRPIdentity> lrp_identity(const executor::Container& container, const std::string& cell_id);

// The placement constraint of the tags. A list that cannot be parsed is empty.
models::PlacementConstraint placement_of(const executor::Container& container, const models::StackPathMap& stacks);

}  // namespace rivera::rep
