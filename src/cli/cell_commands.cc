// cfdot's commands about cells.
#include <fmt/format.h>

#include "base/work/wait.h"
#include "cli/command.h"
#include "clients/rep_client.h"
#include "models/errors.h"
#include "models/forms/json.h"
#include "models/placement/cell_state.h"

namespace rivera::cli {
namespace {

void check_cell_id(const Arguments& arguments) {
  check_count(arguments, 1);
  if (arguments.positional()[0].empty()) throw UsageError("Cell id should be non empty string");
}

clients::RepClientFactory rep_clients(const Context& c) {
  clients::RepClientOptions options;
  options.tls = c.connection.tls;
  options.state_timeout = std::chrono::seconds(10);
  return {c.executor, options};
}

// Throws CommandError with the cell's name.
asio::awaitable<void> print_state(Context& c, clients::RepClientFactory& reps, const models::CellPresence& cell) {
  std::string failure;
  try {
    const clients::RepClient rep = reps.at(cell.rep_address(), cell.rep_url(), c.trace_id);
    const models::CellState state = co_await rep.state();
    c.print(models::to_json(state));
    co_return;
  } catch (const std::exception& e) {
    failure = e.what();
  }
  throw CommandError(fmt::format("Rep error: Failed to get cell state for cell {}: {}", cell.cell_id(), failure), 4);
}

asio::awaitable<models::CellPresence> find_cell(Context& c) {
  const auto cells = co_await c.bbs->cells();
  for (const models::CellPresence& cell : cells) {
    if (cell.cell_id() == c.arguments.positional()[0]) co_return cell;
  }
  throw CommandError("Cell not found", 5);
}

asio::awaitable<std::vector<models::CellPresence>> registered_cells(Context& c) {
  std::string failure;
  try {
    auto cells = co_await c.bbs->cells();
    co_return cells;
  } catch (const std::exception& e) {
    failure = e.what();
  }
  throw CommandError("BBS error: Failed to get cell registrations from BBS: " + failure, 4);
}

asio::awaitable<void> cells(Context& c) {
  const auto list = co_await c.bbs->cells();
  for (const models::CellPresence& presence : list) c.print(models::to_json_text(presence));
}

asio::awaitable<void> cell(Context& c) {
  const models::CellPresence presence = co_await find_cell(c);
  c.print(models::to_json_text(presence));
}

asio::awaitable<void> cell_state(Context& c) {
  auto reps = rep_clients(c);
  const models::CellPresence presence = co_await find_cell(c);
  co_await print_state(c, reps, presence);
}

asio::awaitable<void> cell_states(Context& c) {
  auto reps = rep_clients(c);
  const auto list = co_await registered_cells(c);
  std::string failures;
  for (const models::CellPresence& presence : list) {
    try {
      co_await print_state(c, reps, presence);
    } catch (const CommandError& e) {
      failures += (failures.empty() ? "" : "\n") + std::string(e.what());
    }
  }
  if (!failures.empty()) throw CommandError(failures, 4);
}

}  // namespace

std::vector<Command> cell_commands() {
  return {
      {"cells", "List registered cell presences", Needs::kBbs, {}, nullptr, cells},
      {"cell CELL_ID", "Show the specified cell presence", Needs::kBbs, {}, check_cell_id, cell},
      {"cell-state CELL_ID", "Show the specified cell state", Needs::kBbs, {}, check_cell_id, cell_state},
      {"cell-states", "Show cell states for all cells", Needs::kBbs, {}, nullptr, cell_states},
  };
}

}  // namespace rivera::cli
