// The filter before the score: whether a cell can run this kind of container at all (docs/spec/locket-and-auction.md
// §4.4).
#pragma once

#include <string>

#include "auction/cell_snapshot.h"
#include "models/placement/cell_state.h"

namespace rivera::auction {

// The first test that a cell fails, or kPassed. Ordered.
enum class Stage { kRootFs, kVolumeDrivers, kPlacementTags, kPassed };

Stage stage_reached(const CellSnapshot& cell, const models::PlacementConstraint& constraint);

// Upstream's text for an item of which the best cell failed at `stage` (not kPassed).
std::string constraint_error(Stage stage, const models::PlacementConstraint& constraint);

}  // namespace rivera::auction
