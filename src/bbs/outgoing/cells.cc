#include "bbs/outgoing/cells.h"

#include "clients/locket/cell_presences.h"

namespace rivera::bbs {

asio::awaitable<std::vector<models::CellPresence>> LocketCells::list() {
  co_return co_await clients::fetch_cells(locket_, logger_);
}

asio::awaitable<std::optional<models::CellPresence>> LocketCells::find(std::string cell_id) {
  co_return co_await clients::fetch_cell(locket_, std::move(cell_id));
}

}  // namespace rivera::bbs
