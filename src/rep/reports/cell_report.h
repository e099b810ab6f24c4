// What a cell says about itself (docs/spec/cell.md §1.4, §1.8, §1.10). Pure functions.
#pragma once

#include <string>

#include "executor/executor.h"
#include "models/models.h"
#include "models/placement/cell_state.h"
#include "rep/settings/config.h"

namespace rivera::rep {

// Collects a CellState container by container.
class CellStateBuilder {
 public:
  CellStateBuilder(const Config& config, executor::Resources total, executor::Resources remaining, bool evacuating);
  void add(const executor::Container& container);
  models::CellState take() { return std::move(state_); }

 private:
  const Config& config_;
  models::CellState state_;
};

// The value of the cell's presence in Locket. `local_address` is the cell's address in the network.
std::string presence_json(const Config& config, executor::Resources total, const std::string& local_address);

// The address from which the cell reaches other machines; "127.0.0.1" if it reaches none.
std::string local_address();

}  // namespace rivera::rep
