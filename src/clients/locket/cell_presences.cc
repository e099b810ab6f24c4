#include "clients/locket/cell_presences.h"

#include "models/forms/json.h"

namespace rivera::clients {

asio::awaitable<std::vector<models::CellPresence>> fetch_cells(LocketClient& locket, base::Logger logger) {
  const auto resources = co_await locket.fetch_all(LocketType::kPresence);
  std::vector<models::CellPresence> cells;
  cells.reserve(resources.size());
  for (const auto& resource : resources) {
    try {
      cells.push_back(models::parse_json<models::CellPresence>(resource.value));
    } catch (const std::exception& e) {
      logger.error("failed-to-unmarshal-cell-presence", {{"key", resource.key}, {"error", e.what()}});
    }
  }
  co_return cells;
}

asio::awaitable<std::optional<models::CellPresence>> fetch_cell(LocketClient& locket, std::string cell_id) {
  const auto resource = co_await locket.fetch(std::move(cell_id));
  std::optional<models::CellPresence> cell;
  if (resource) cell = models::parse_json<models::CellPresence>(resource->value);
  co_return cell;
}

}  // namespace rivera::clients
