#include <algorithm>
#include <map>

#include "auction/cell_chooser.h"
#include "auction/constraints.h"
#include "auction/fleet.h"

namespace rivera::auction {

namespace {

class FlatScan final : public CellChooser {
 public:
  FlatScan(std::span<const CellSnapshot> cells, const PlacementOptions& options)
      : snapshot_(cells), options_(options), fleet_(make_fleet(cells, options)) {}

  Choice choose(const models::CellLRP& lrp) override {
    const auto compatible = filter(lrp.placement);
    if (compatible.cells.empty()) return {std::nullopt, constraint_error(compatible.furthest, lrp.placement)};
    const auto in_zone = instances_by_zone(lrp.process_guid);
    // Zones with equally many instances compete as one.
    std::map<std::uint64_t, std::vector<std::size_t>> groups;
    for (const std::size_t cell : compatible.cells) groups[in_zone[fleet_.cells[cell].zone]].push_back(cell);
    const auto demand = [&](std::size_t cell) { return needed(lrp.resource, fleet_.cells[cell]); };
    for (const auto& [instances, cells] : groups) {
      const auto best = best_of(cells, demand, [&](std::size_t cell) {
        return lrp_score(fleet_.cells[cell], fleet_.rooms[cell], demand(cell), instances_on(cell, lrp.process_guid),
                         options_);
      });
      if (best) return {best, ""};
    }
    return {std::nullopt, shortage(compatible.cells, demand)};
  }

  Choice choose(const models::CellTask& task) override {
    const auto compatible = filter(task.placement);
    if (compatible.cells.empty()) return {std::nullopt, constraint_error(compatible.furthest, task.placement)};
    const auto demand = [&](std::size_t) { return needed(task.resource); };
    const auto best = best_of(compatible.cells, demand, [&](std::size_t cell) {
      return task_score(fleet_.cells[cell], fleet_.rooms[cell], needed(task.resource), options_);
    });
    if (best) return {best, ""};
    return {std::nullopt, shortage(compatible.cells, demand)};
  }

  void reserve(std::size_t cell, const models::CellLRP& lrp) override {
    fleet_.rooms[cell].take(reserved(lrp.resource, fleet_.cells[cell], options_));
    ++placed_[{cell, lrp.process_guid}];
  }

  void reserve(std::size_t cell, const models::CellTask& task) override {
    fleet_.rooms[cell].take(needed(task.resource));
    ++fleet_.rooms[cell].tasks;
  }

 private:
  struct Compatible {
    std::vector<std::size_t> cells;
    Stage furthest = Stage::kRootFs;
  };

  Compatible filter(const models::PlacementConstraint& constraint) const {
    Compatible result;
    for (std::size_t cell = 0; cell < snapshot_.size(); ++cell) {
      const Stage stage = stage_reached(snapshot_[cell], constraint);
      result.furthest = std::max(result.furthest, stage);
      if (stage == Stage::kPassed) result.cells.push_back(cell);
    }
    return result;
  }

  std::uint32_t instances_on(std::size_t cell, const std::string& process_guid) const {
    const auto placed = placed_.find({cell, process_guid});
    return snapshot_[cell].instances_of(process_guid) + (placed == placed_.end() ? 0 : placed->second);
  }

  // Over all cells, not only compatible ones.
  std::vector<std::uint64_t> instances_by_zone(const std::string& process_guid) const {
    std::vector<std::uint64_t> counts(fleet_.zones.size());
    for (std::size_t cell = 0; cell < snapshot_.size(); ++cell) {
      counts[fleet_.cells[cell].zone] += instances_on(cell, process_guid);
    }
    return counts;
  }

  template <typename DemandOn, typename ScoreOn>
  std::optional<std::size_t> best_of(const std::vector<std::size_t>& cells, DemandOn demand_on,
                                     ScoreOn score_on) const {
    std::optional<std::size_t> best;
    double best_score = kWorstScore;
    for (const std::size_t cell : cells) {
      if (!fleet_.cells[cell].has_score() || !fleet_.rooms[cell].fits(demand_on(cell))) continue;
      const double score = score_on(cell);
      const bool is_earlier_equal = best && score == best_score && fleet_.cells[cell].rank < fleet_.cells[*best].rank;
      if (score < best_score || is_earlier_equal) {
        best = cell;
        best_score = score;
      }
    }
    return best;
  }

  template <typename DemandOn>
  std::string shortage(const std::vector<std::size_t>& cells, DemandOn demand_on) const {
    Shortage result;
    for (const std::size_t cell : cells) {
      const auto demand = demand_on(cell);
      if (!fleet_.rooms[cell].fits(demand)) result.narrow_to(fleet_.rooms[cell], demand);
    }
    return result.text();
  }

  std::span<const CellSnapshot> snapshot_;
  PlacementOptions options_;
  Fleet fleet_;
  std::map<std::pair<std::size_t, std::string>, std::uint32_t> placed_;  // instances placed in this batch
};

}  // namespace

std::unique_ptr<CellChooser> make_flat_scan(std::span<const CellSnapshot> cells, const PlacementOptions& options) {
  return std::make_unique<FlatScan>(cells, options);
}

}  // namespace rivera::auction
