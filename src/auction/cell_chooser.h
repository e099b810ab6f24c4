// Finding the best cell for one item after the other.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "auction/placement.h"

namespace rivera::auction {

// The winner, or why there is none.
struct Choice {
  std::optional<std::size_t> cell;  // position in the snapshot
  std::string error;
};

// Holds a batch's cells with all reservations made so far. Passive; used by one thread.
class CellChooser {
 public:
  virtual ~CellChooser() = default;

  virtual Choice choose(const models::CellLRP& lrp) = 0;
  virtual Choice choose(const models::CellTask& task) = 0;
  // Takes the room of an item that was just chosen for `cell`.
  virtual void reserve(std::size_t cell, const models::CellLRP& lrp) = 0;
  virtual void reserve(std::size_t cell, const models::CellTask& task) = 0;
};

// Scores every cell for every item, straight from the specification: O(cells) each, for comparison and tests. The cells
// must outlive it.
std::unique_ptr<CellChooser> make_flat_scan(std::span<const CellSnapshot> cells, const PlacementOptions& options);

// Searches trees of like cells (docs/spec/locket-and-auction.md §6): O(log cells) each as a rule, and chooses as the
// flat scan does, but for scores that differ by rounding only. The cells must outlive it. `lrps` are those it will be
// asked for: what the cells hold of other processes need not be counted.
std::unique_ptr<CellChooser> make_pool_search(std::span<const CellSnapshot> cells, const std::vector<LRPAuction>& lrps,
                                              const PlacementOptions& options);

}  // namespace rivera::auction
