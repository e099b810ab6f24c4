#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "simulation/scenarios/scenario_parts.h"
#include "simulation/scenarios/scenarios.h"

namespace rivera::simulation {
namespace {

// Evacuates and replaces the cells, a limited number at a time.
class Rollout {
 public:
  Rollout(Timeline& timeline, const RollingOptions& options) : timeline_(timeline), options_(options) {
    const auto& cells = timeline.world().cells();
    for (CellId cell = 0; cell < cells.size(); ++cell) order_.push_back(cell);
    std::stable_sort(order_.begin(), order_.end(),
                     [&cells](CellId a, CellId b) { return cells[a].now.zone < cells[b].now.zone; });
  }

  void begin() {
    for (std::size_t i = 0; i < options_.max_in_flight; ++i) next();
  }

 private:
  void next() {
    if (position_ == order_.size()) return;
    const CellId cell = order_[position_++];
    timeline_.evacuate(cell, options_.evacuation_timeout, [this, cell] {
      timeline_.at(timeline_.now() + options_.replacement_time, [this, cell] {
        timeline_.bring_back(cell);
        next();
      });
    });
  }

  Timeline& timeline_;
  RollingOptions options_;
  std::vector<CellId> order_;  // zone by zone
  std::size_t position_ = 0;
};

}  // namespace

Scenario rolling_upgrade(const Scale& scale, const TimelineOptions& options, const RollingOptions& rolling) {
  const auto limit = options.placement.starting_container_count_maximum;
  auto scenario = blank(limit > 0 ? "rolling" : "rolling-unlimited",
                        limit > 0 ? fmt::format("Rolling upgrade, {} containers may start at once", limit)
                                  : "Rolling upgrade, without a limit",
                        fmt::format("{} cells at a time are evacuated ({} min at most) and replaced, zone by zone.",
                                    rolling.max_in_flight, rolling.evacuation_timeout / std::chrono::minutes(1)),
                        options, limit);
  scenario.world = empty_cells(scale);
  Population population(options.seed);
  fill(scenario.world, population, scale.instances * 7 / 10, options);
  scenario.options.horizon = options.horizon;
  auto rollout = std::make_shared<std::unique_ptr<Rollout>>();
  scenario.course = [rollout, rolling](Timeline& timeline) {
    *rollout = std::make_unique<Rollout>(timeline, rolling);
    timeline.at(std::chrono::minutes(1), [rollout] { (*rollout)->begin(); });
  };
  scenario.check = no_cell_is_overcommitted;
  return scenario;
}

}  // namespace rivera::simulation
