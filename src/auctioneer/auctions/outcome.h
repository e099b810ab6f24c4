// What became of a batch.
#pragma once

#include <vector>

#include "auction/batch.h"
#include "auction/placement.h"

namespace rivera::auctioneer {

// Everything that does not run, with a text for the user: nothing found for it, or its cell did not take it. The rest
// of the batch is on its way, or at least may be.
struct Failures {
  std::vector<auction::FailedItem> lrps;   // positions in Batch::lrps()
  std::vector<auction::FailedItem> tasks;  // positions in Batch::tasks()
};

}  // namespace rivera::auctioneer
