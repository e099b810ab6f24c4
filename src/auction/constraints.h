// The filter before the score: can a cell run this kind of container at all (docs/spec/locket-and-auction.md §4.4).
#pragma once

#include <string>

#include "auction/cell_snapshot.h"
#include "models/placement/cell_state.h"

namespace rivera::auction {

// How far a cell gets: the test it fails, or kPassed. Ordered.
enum class Stage { kRootFs, kVolumeDrivers, kPlacementTags, kPassed };

Stage stage_reached(const CellSnapshot& cell, const models::PlacementConstraint& constraint);

// Upstream's text for an item whose furthest cell got to `stage` (not kPassed).
std::string constraint_error(Stage stage, const models::PlacementConstraint& constraint);

}  // namespace rivera::auction
