// The cells that are present, as Locket knows them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/asio.h"
#include "base/log/log.h"
#include "clients/locket/locket_client.h"
#include "models/models.h"

namespace rivera::clients {

// Every presence that is a cell's, decoded. A value that is not one is skipped and logged
// (docs/spec/locket-and-auction.md §1.18). Throws LocketError: never gives a partial list.
asio::awaitable<std::vector<models::CellPresence>> fetch_cells(LocketClient& locket, base::Logger logger);

// The presence of one cell by its id; nullopt if it is not there.
asio::awaitable<std::optional<models::CellPresence>> fetch_cell(LocketClient& locket, std::string cell_id);

}  // namespace rivera::clients
