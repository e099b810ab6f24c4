// The log lines that tell what an auction decided (docs/spec/locket-and-auction.md §2.6).
#pragma once

#include "auctioneer/auctions/cell_states.h"
#include "auctioneer/auctions/outcome.h"
#include "base/log/log.h"

namespace rivera::auctioneer {

// Where each item goes, and why others go nowhere.
void log_plan(const auction::Plan& plan, const auction::Batch& batch, const CellStates& states,
              const base::Logger& logger);
// What cells did not accept.
void log_rejections(const Failures& rejected, const auction::Batch& batch, const base::Logger& logger);

}  // namespace rivera::auctioneer
