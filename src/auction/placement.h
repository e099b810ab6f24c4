// Placement: which cell runs which work. A pure function from a snapshot of the cells and a batch of work to a plan
// (docs/spec/locket-and-auction.md §4).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "auction/cell_snapshot.h"
#include "base/clock.h"
#include "models/placement/cell_state.h"

namespace rivera::auction {

// One instance to be placed. Its instance guid and state are empty.
struct LRPAuction {
  models::CellLRP lrp;
  base::Timestamp arrived;
};

struct TaskAuction {
  models::CellTask task;
  base::Timestamp arrived;
};

struct PlacementOptions {
  double bin_pack_first_fit_weight = 0;  // above 0, cells with a low index are filled first
  double starting_container_weight = 0;  // added to a cell's score for each starting container
  // Items fail once this many containers are starting on all cells together; 0 or less: no limit.
  std::int64_t starting_container_count_maximum = 0;
  // Whether an LRP placed in a batch reserves its proxy's memory on the cell for the rest of the batch, as the cell
  // itself does. Upstream does not, and sends a full cell more than it accepts (§4.6, §8 no. 5).
  bool reserve_proxy_memory = true;
};

// The work of one cell: positions in the lists given to place(), in the order of placement.
struct CellAssignment {
  std::size_t cell = 0;
  std::vector<std::size_t> lrps;
  std::vector<std::size_t> tasks;
};

// Errors that do not depend on the item.
inline constexpr std::string_view kNoCellResponded = "unable to communicate to compatible cells";
inline constexpr std::string_view kStartLimitReached = "waiting to start instance: reached in-flight start limit";

struct FailedItem {
  std::size_t item = 0;
  std::string error;  // a placement error as users see it, "insufficient resources: memory"
};

struct Plan {
  std::vector<CellAssignment> cells;  // with work only, in the order of the snapshot
  std::vector<FailedItem> failed_lrps;
  std::vector<FailedItem> failed_tasks;
};

// How the cells of a pool are searched. Both methods find the same cell (docs/placement.md); the scan is for
// comparison.
enum class Method { kTrees, kScan };

// Places each item, in upstream's order, on the best cell, given the items placed before. Ties go to the lowest cell
// index, then to the lowest cell id. The same arguments always give the same plan.
Plan place(std::span<const CellSnapshot> cells, const std::vector<LRPAuction>& lrps,
           const std::vector<TaskAuction>& tasks, const PlacementOptions& options, Method method = Method::kTrees);

}  // namespace rivera::auction
