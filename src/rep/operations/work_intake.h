// Which of the offered work a cell takes (docs/spec/cell.md §1.11). Pure functions.
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
  std::int64_t proxy_memory_mb = 0;  // per LRP; 0 without the proxy
  bool evacuating = false;
  const models::StackPathMap& stacks;
};

// What is to be allocated, and what is refused already. Requests stand in the order of the items they are for.
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

// `new_guid` gives a random UUID for each instance, which is cut to 28 characters. LRPs are taken largest first, as
// long as there is memory; all that is refused has a reason.
Intake take_in(const models::Work& work, const IntakeTerms& terms, const std::function<std::string()>& new_guid);

// Adds to `refused` the items whose guid is among the failures.
void refuse_failed(models::Work& refused, const Intake& intake,
                   const std::vector<executor::AllocationFailure>& failures);

}  // namespace rivera::rep
