#include "auction/constraints.h"

#include <algorithm>

namespace rivera::auction {

namespace {

bool holds(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

bool has_drivers(const CellSnapshot& cell, const std::vector<std::string>& wanted) {
  return std::all_of(wanted.begin(), wanted.end(),
                     [&cell](const std::string& driver) { return holds(cell.volume_drivers, driver); });
}

// The item has every tag that the cell requires, and the cell has every tag of the item.
bool fits_tags(const CellSnapshot& cell, const std::vector<std::string>& wanted) {
  const bool required_are_wanted = std::all_of(cell.required_tags.begin(), cell.required_tags.end(),
                                               [&wanted](const std::string& tag) { return holds(wanted, tag); });
  return required_are_wanted && std::all_of(wanted.begin(), wanted.end(), [&cell](const std::string& tag) {
           return holds(cell.required_tags, tag) || holds(cell.optional_tags, tag);
         });
}

std::string tag_error(const std::vector<std::string>& tags) {
  std::string text = "found no compatible cell with ";
  if (tags.empty()) return text + "no placement tags";
  if (tags.size() == 1) return text + "placement tag \"" + tags[0] + "\"";
  text += "placement tags ";
  for (std::size_t i = 0; i < tags.size(); ++i) {
    if (i > 0) text += i + 1 == tags.size() ? " and " : ", ";
    text += "\"" + tags[i] + "\"";
  }
  return text;
}

}  // namespace

Stage stage_reached(const CellSnapshot& cell, const models::PlacementConstraint& constraint) {
  if (!models::provides(cell.root_fs_providers, constraint.root_fs)) return Stage::kRootFs;
  if (!has_drivers(cell, constraint.volume_drivers)) return Stage::kVolumeDrivers;
  if (!fits_tags(cell, constraint.placement_tags)) return Stage::kPlacementTags;
  return Stage::kPassed;
}

std::string constraint_error(Stage stage, const models::PlacementConstraint& constraint) {
  switch (stage) {
    case Stage::kRootFs:
      return "found no compatible cell for required rootfs";
    case Stage::kVolumeDrivers:
      return "found no compatible cell with required volume drivers";
    case Stage::kPlacementTags:
    case Stage::kPassed:
      return tag_error(constraint.placement_tags);
  }
  return "";
}

}  // namespace rivera::auction
