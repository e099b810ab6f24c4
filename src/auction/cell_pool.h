// Cells that differ in their load only, with a tree that finds the best of them (docs/spec/locket-and-auction.md §6).
#pragma once

#include <cstdint>
#include <vector>

#include "auction/fleet.h"

namespace rivera::auction {

// The best cell found so far over several pools.
struct Best {
  double score = kWorstScore;
  std::size_t cell = 0;
  std::size_t rank = 0;
  bool found = false;

  bool is_beaten_by(double other_score, std::size_t other_rank) const {
    return other_score < score || (found && other_score == score && other_rank < rank);
  }
};

// All cells of a pool have the same zone, totals and proxy share, and pass the same constraints. Hence what a request
// adds to the score is the same on each, and the order of the cells by their own part of the score,
//
//   K = (3 − M/TM − D/TD − (C−1)/TC)/3 + s·w + i·b      for LRPs (Kt, with 1000·tasks and without index, for tasks),
//
// is valid for every request. The pool keeps K in a tree of minima, with the maxima of the free resources; a search
// skips each part of the tree in which no cell fits or none can win. Cells are sorted by rank, so that the first of
// equal ones wins.
//
// Passive: the owner changes a cell's room, then calls update().
class CellPool {
 public:
  // `members` are positions in the fleet, which must outlive the pool, in the order of their rank; at least one.
  CellPool(const Fleet& fleet, std::vector<std::size_t> members, const PlacementOptions& options, Method method);

  std::size_t size() const { return members_.size(); }
  std::size_t zone() const { return first().zone; }
  const std::vector<std::size_t>& members() const { return members_; }
  // Any cell of the pool, for the properties that all share.
  const Cell& first() const { return fleet_->cells[members_.front()]; }

  // Improves `best` if a cell of this pool beats it. `same_process` counts, by position in the fleet, the instances of
  // the LRP's process; `least` is not above any of the pool's. `demand` includes the proxy.
  void search_lrp(const Demand& demand, const std::vector<std::uint32_t>& same_process, std::uint32_t least,
                  Best& best) const;
  void search_task(const Demand& demand, Best& best) const;

  // The room of the member at `slot` has changed. O(log size).
  void update(std::size_t slot);

  // Reduces `shortage` to the resources that are short on every cell where `demand` does not fit. Call it only if
  // `demand` fits on no cell that has a score.
  void narrow(Shortage& shortage, const Demand& demand) const;

 private:
  // Minima of K and Kt, and maxima of the free resources, over the cells below.
  struct Node {
    double lrp_key = 0;
    double task_key = 0;
    std::int64_t memory = 0;
    std::int64_t disk = 0;
    std::int64_t containers = 0;

    bool may_fit(const Demand& demand) const {
      return memory >= demand.memory && disk >= demand.disk && containers >= 1;
    }
  };
  struct Search;

  Node leaf_of(std::size_t slot) const;
  void pull_up(std::size_t node);
  double request_part(const Demand& demand) const;
  void search_tree(Search& search) const;
  void scan(Search& search) const;

  const Fleet* fleet_;
  std::vector<std::size_t> members_;
  PlacementOptions options_;
  std::size_t leaves_ = 0;   // a power of two; 0 for a pool whose cells have no score
  std::size_t budget_ = 0;   // nodes a search may visit before it scans all cells instead
  std::vector<Node> nodes_;  // node 1 is the root; the children of n are 2n and 2n+1; leaves from `leaves_` on
};

}  // namespace rivera::auction
