// The failures of a batch.
#pragma once

#include <vector>

#include "auction/batch.h"
#include "auction/placement.h"

namespace rivera::auctioneer {

// The items that were not placed, or were rejected by their cell, with the placement error. All other items of the
// batch count as started.
struct BatchFailures {
  std::vector<auction::FailedItem> lrps;   // positions in Batch::lrps()
  std::vector<auction::FailedItem> tasks;  // positions in Batch::tasks()
};

}  // namespace rivera::auctioneer
