// Fetches the states of all cells.
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

// A registered cell and its client.
struct RegisteredCell {
  std::string cell_id;
  clients::RepClient rep;
};

// The cells that take part in an auction: those that responded in time, are not evacuating, and have the registered id.
struct CellStates {
  std::vector<auction::CellSnapshot> snapshots;
  std::vector<std::size_t> registered;  // for each snapshot, the position of its RegisteredCell
  std::size_t excluded = 0;             // registered cells that do not take part
};

// Fetches the states of all cells concurrently, at most `workers` at a time. Logs the cells that are left out. If none
// is left, repeats the round up to three times (docs/spec/locket-and-auction.md §4.2). After `limit` returns the states
// received so far. `cells` must outlive the call.
asio::awaitable<CellStates> fetch_cell_states(const std::vector<RegisteredCell>& cells, std::size_t workers,
                                              std::chrono::nanoseconds limit, AuctioneerProbe& probe,
                                              base::Logger logger);

}  // namespace rivera::auctioneer
