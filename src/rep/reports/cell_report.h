// A cell's state and presence (docs/spec/cell.md §1.4, §1.8, §1.10). Pure functions, except for local_address().
#pragma once

#include <string>

#include "executor/executor.h"
#include "models/models.h"
#include "models/placement/cell_state.h"
#include "rep/settings/config.h"

namespace rivera::rep {

// Builds a CellState from containers, one at a time.
class CellStateBuilder {
 public:
  CellStateBuilder(const Config& config, executor::Resources total, executor::Resources remaining, bool evacuating);
  void add(const executor::Container& container);
  models::CellState take() { return std::move(state_); }

 private:
  const Config& config_;
  models::CellState state_;
};

// The value of the cell's presence in Locket. `local_address` is the cell's network address.
std::string presence_json(const Config& config, executor::Resources total, const std::string& local_address);

// The local address of a route to other machines; "127.0.0.1" if there is no such route.
std::string local_address();

}  // namespace rivera::rep
