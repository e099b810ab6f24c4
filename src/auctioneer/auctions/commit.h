// Giving the placed work to the cells.
#pragma once

#include "auctioneer/auctions/cell_states.h"
#include "auctioneer/auctions/outcome.h"

namespace rivera::auctioneer {

// Sends each cell of the plan its work, all at once (at most `workers` at a time), and returns what the cells did not
// accept. Where no answer comes, or one that makes no sense, the work counts as accepted: it may have been, and
// convergence repairs it if not (docs/spec/locket-and-auction.md §4.7). Items in an answer that the cell was not sent,
// and repetitions, are ignored. The arguments must outlive the call.
asio::awaitable<Failures> commit(const auction::Plan& plan, const auction::Batch& batch, const CellStates& states,
                                 const std::vector<RegisteredCell>& cells, std::size_t workers, base::Logger logger);

}  // namespace rivera::auctioneer
