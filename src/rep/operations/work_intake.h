// Decides which of the offered work a cell accepts (docs/spec/cell.md §1.11). Pure functions.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "executor/container/container.h"
#include "models/placement/cell_state.h"

namespace rivera::rep {

struct IntakeTerms {
  std::int64_t remaining_memory_mb = 0;
  std::int64_t proxy_memory_mb = 0;  // for each LRP; 0 without the proxy
  bool evacuating = false;
  const models::StackPathMap& stacks;
};

// The accepted items with their allocation requests, and the refused items.
struct Intake {
  struct LRP {
    models::CellLRP lrp;
    executor::AllocationRequest request;
  };
  struct Task {
    models::CellTask task;
    executor::AllocationRequest request;
  };
  std::vector<LRP> lrps;
  std::vector<Task> tasks;
  models::Work refused;
};

// `new_guid` returns a random UUID for each instance, which is cut to 28 characters. LRPs are accepted in order of
// decreasing memory as long as they fit. Every refused item has a reason, except during an evacuation.
Intake accept_work(const models::Work& work, const IntakeTerms& terms, const std::function<std::string()>& new_guid);

// Adds the items whose allocation failed to `refused`.
void refuse_failed(models::Work& refused, const Intake& intake,
                   const std::vector<executor::AllocationFailure>& failures);

}  // namespace rivera::rep
