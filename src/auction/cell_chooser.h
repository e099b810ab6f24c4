// Finding the best cell for one item after the other.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "auction/placement.h"
#include "auction/work_order.h"

namespace rivera::auction {

// The winner, or why there is none.
struct Choice {
  std::optional<std::size_t> cell;  // position in the snapshot
  std::string error;
};

// Holds a batch: its work, and its cells with all reservations made so far. Passive; used by one thread.
class CellChooser {
 public:
  virtual ~CellChooser() = default;

  virtual Choice choose(const WorkItem& item) = 0;
  // Takes the room of an item that was just chosen for `cell`.
  virtual void reserve(std::size_t cell, const WorkItem& item) = 0;
};

// Searches pools of like cells (docs/placement.md): O(log cells) for each item as a rule. Everything given must outlive
// it.
std::unique_ptr<CellChooser> make_pool_search(std::span<const CellSnapshot> cells, const std::vector<LRPAuction>& lrps,
                                              const std::vector<TaskAuction>& tasks, const PlacementOptions& options,
                                              Method method = Method::kTrees);

// place() with a chooser of the caller's, which holds the same batch and no reservations.
Plan place_with(CellChooser& chooser, std::span<const CellSnapshot> cells, const std::vector<LRPAuction>& lrps,
                const std::vector<TaskAuction>& tasks, const PlacementOptions& options);

}  // namespace rivera::auction
