// Finds the best cell for one item after another.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "auction/placement.h"
#include "auction/work_order.h"

namespace rivera::auction {

// The chosen cell, or the reason that there is none.
struct Choice {
  std::optional<std::size_t> cell;  // position in the snapshot
  std::string error;
};

// A batch: its work, and its cells with all reservations made so far. Passive; used by one thread.
class CellChooser {
 public:
  virtual ~CellChooser() = default;

  virtual Choice choose(const WorkItem& item) = 0;
  // Reserves the resources of an item on the `cell` chosen for it.
  virtual void reserve(std::size_t cell, const WorkItem& item) = 0;
};

// Searches pools of equal cells (docs/placement.md): usually O(log cells) for each item. All arguments must outlive it.
std::unique_ptr<CellChooser> make_pool_search(std::span<const CellSnapshot> cells, const std::vector<LRPAuction>& lrps,
                                              const std::vector<TaskAuction>& tasks, const PlacementOptions& options,
                                              Method method = Method::kTrees);

// place() with the caller's chooser, which must have the same batch and no reservations.
Plan place_with(CellChooser& chooser, std::span<const CellSnapshot> cells, const std::vector<LRPAuction>& lrps,
                const std::vector<TaskAuction>& tasks, const PlacementOptions& options);

}  // namespace rivera::auction
