// The log lines about an auction's decisions (docs/spec/locket-and-auction.md §2.6).
#pragma once

#include "auctioneer/auctions/batch_failures.h"
#include "auctioneer/auctions/cell_states.h"
#include "base/log/log.h"

namespace rivera::auctioneer {

// The cell of each placed item, and the error of each failed one.
void log_plan(const auction::Plan& plan, const auction::Batch& batch, const CellStates& states,
              const base::Logger& logger);
// The items that cells rejected.
void log_rejections(const BatchFailures& rejected, const auction::Batch& batch, const base::Logger& logger);

}  // namespace rivera::auctioneer
