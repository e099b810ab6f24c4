// Sends placed work to the cells.
#pragma once

#include "auctioneer/auctions/batch_failures.h"
#include "auctioneer/auctions/cell_states.h"

namespace rivera::auctioneer {

// Sends each cell of the plan its work, concurrently (at most `workers` at a time), and returns the rejected items.
// Without a response, or with a malformed one, the work counts as accepted: if it was not, convergence repairs it
// (docs/spec/locket-and-auction.md §4.7). Ignores duplicates in a response, and items that were not sent to the cell.
// The arguments must outlive the call.
asio::awaitable<BatchFailures> commit(const auction::Plan& plan, const auction::Batch& batch, const CellStates& states,
                                      const std::vector<RegisteredCell>& cells, std::size_t workers,
                                      base::Logger logger);

}  // namespace rivera::auctioneer
