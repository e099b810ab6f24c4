// The order in which a batch is placed (docs/spec/locket-and-auction.md §4.3).
#pragma once

#include <cstddef>
#include <vector>

#include "auction/placement.h"

namespace rivera::auction {

struct WorkItem {
  bool is_task = false;
  std::size_t position = 0;  // in the batch's list of LRPs, or of tasks

  bool operator==(const WorkItem&) const = default;
};

// One instance of everything first, then the tasks, then redundancy: the LRPs with index 0, largest memory first; all
// tasks, largest memory first; the other LRPs by index, then memory. Equal items keep their order of arrival. As
// upstream, a batch without an index above 0 places its tasks first.
std::vector<WorkItem> order_of_work(const std::vector<LRPAuction>& lrps, const std::vector<TaskAuction>& tasks);

}  // namespace rivera::auction
