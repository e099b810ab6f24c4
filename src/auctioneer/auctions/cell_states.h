// Asking all cells for their state.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "auction/cell_snapshot.h"
#include "auctioneer/auctions/auctioneer_probe.h"
#include "base/asio.h"
#include "base/log/log.h"
#include "clients/rep_client.h"

namespace rivera::auctioneer {

// A cell that is registered, and how to speak to it.
struct RegisteredCell {
  std::string cell_id;
  clients::RepClient rep;
};

// The cells that take part in an auction: those that answered in time, are not evacuating, and are who they should be.
struct CellStates {
  std::vector<auction::CellSnapshot> snapshots;
  std::vector<std::size_t> registered;  // for each snapshot, the position of its RegisteredCell
  std::size_t excluded = 0;             // registered cells that do not take part
};

// Asks every cell at once (at most `workers` at a time). Cells left out are named in the log. Only if none is left at
// all the whole round is repeated, three times at most (docs/spec/locket-and-auction.md §4.2). After `limit` it goes on
// with those that have answered. `cells` must outlive the call.
asio::awaitable<CellStates> fetch_cell_states(const std::vector<RegisteredCell>& cells, std::size_t workers,
                                              std::chrono::nanoseconds limit, AuctioneerProbe& probe,
                                              base::Logger logger);

}  // namespace rivera::auctioneer
