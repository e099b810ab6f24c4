#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>

#include "auction/cell_chooser.h"
#include "auction/cell_pool.h"
#include "auction/constraints.h"
#include "auction/fleet.h"
#include "auction/footprint.h"

namespace rivera::auction {

namespace {

// The pools that pass one constraint, by zone.
struct Compatible {
  struct Zone {
    std::size_t zone = 0;
    std::vector<std::size_t> pools;
  };
  std::vector<Zone> zones;
  Stage furthest = Stage::kRootFs;
};

std::vector<std::string> as_set(std::vector<std::string> list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  return list;
}

// One text for a constraint, the same for the same constraint only.
std::string key_of(const models::PlacementConstraint& constraint) {
  std::string key = constraint.root_fs;
  const auto append = [&key](const std::vector<std::string>& list) {
    key += '\n' + std::to_string(list.size());
    for (const auto& item : list) key += ':' + std::to_string(item.size()) + ':' + item;
  };
  append(constraint.volume_drivers);
  append(constraint.placement_tags);
  return key;
}

class PoolSearch final : public CellChooser {
 public:
  PoolSearch(std::span<const CellSnapshot> cells, const std::vector<LRPAuction>& lrps, const PlacementOptions& options)
      : snapshot_(cells), options_(options), fleet_(make_fleet(cells, options)), scratch_(cells.size()) {
    make_pools();
    make_footprints(lrps);
  }

  Choice choose(const models::CellLRP& lrp) override {
    const Compatible& compatible = filter(lrp.placement);
    if (compatible.zones.empty()) return {std::nullopt, constraint_error(compatible.furthest, lrp.placement)};
    const Footprint& footprint = footprint_of(lrp.process_guid);
    const auto& counts = footprint.counts(scratch_);
    const Best best = search_by_zone(lrp, compatible, footprint, counts);
    footprint.done(scratch_);
    if (best.found) return {best.cell, ""};
    return {std::nullopt, shortage(compatible, [&](const Cell& cell) { return needed(lrp.resource, cell); })};
  }

  Choice choose(const models::CellTask& task) override {
    const Compatible& compatible = filter(task.placement);
    if (compatible.zones.empty()) return {std::nullopt, constraint_error(compatible.furthest, task.placement)};
    const Demand demand = needed(task.resource);
    Best best;
    for (const auto& zone : compatible.zones) {
      for (const std::size_t pool : zone.pools) pools_[pool].search_task(demand, best);
    }
    if (best.found) return {best.cell, ""};
    return {std::nullopt, shortage(compatible, [&](const Cell&) { return demand; })};
  }

  void reserve(std::size_t cell, const models::CellLRP& lrp) override {
    const Cell& facts = fleet_.cells[cell];
    fleet_.rooms[cell].take(reserved(lrp.resource, facts, options_));
    footprint_of(lrp.process_guid).add(cell, facts.zone);
    update(cell);
  }

  void reserve(std::size_t cell, const models::CellTask& task) override {
    fleet_.rooms[cell].take(needed(task.resource));
    ++fleet_.rooms[cell].tasks;
    update(cell);
  }

 private:
  void make_pools() {
    std::vector<std::size_t> by_rank(snapshot_.size());
    for (std::size_t cell = 0; cell < by_rank.size(); ++cell) by_rank[fleet_.cells[cell].rank] = cell;
    const auto trait_numbers = number_traits();

    using Kind = std::tuple<std::size_t, std::size_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t>;
    std::map<Kind, std::vector<std::size_t>> kinds;
    for (const std::size_t cell : by_rank) {
      const Cell& facts = fleet_.cells[cell];
      kinds[{facts.zone, trait_numbers[cell], facts.total_memory, facts.total_disk, facts.total_containers,
             facts.proxy_memory}]
          .push_back(cell);
    }
    map_.pool_of_cell.resize(snapshot_.size());
    map_.slot_of_cell.resize(snapshot_.size());
    for (auto& [kind, members] : kinds) {
      for (std::size_t slot = 0; slot < members.size(); ++slot) {
        map_.pool_of_cell[members[slot]] = pools_.size();
        map_.slot_of_cell[members[slot]] = slot;
      }
      map_.pool_size.push_back(members.size());
      pools_.emplace_back(fleet_, std::move(members), options_);
    }
  }

  // A number for each cell: the same for cells that pass the same constraints.
  std::vector<std::size_t> number_traits() const {
    using Traits = std::tuple<models::RootFsProviders, std::vector<std::string>, std::vector<std::string>,
                              std::vector<std::string>>;
    std::map<Traits, std::size_t> numbers;
    std::vector<std::size_t> result;
    result.reserve(snapshot_.size());
    for (const auto& cell : snapshot_) {
      Traits traits{cell.root_fs_providers, as_set(cell.volume_drivers), as_set(cell.required_tags),
                    as_set(cell.optional_tags)};
      result.push_back(numbers.emplace(std::move(traits), numbers.size()).first->second);
    }
    return result;
  }

  // Counts what the cells hold of the processes in the batch: by looking each up, or by going through all that run,
  // whichever is less work.
  void make_footprints(const std::vector<LRPAuction>& lrps) {
    for (const auto& auction : lrps) footprints_.try_emplace(auction.lrp.process_guid, map_, fleet_.zones.size());
    std::size_t residents = 0;
    for (const auto& cell : snapshot_) residents += cell.processes.size();
    constexpr std::size_t kLookupCost = 8;  // a binary search compared with one step of a pass
    if (footprints_.size() * snapshot_.size() * kLookupCost <= residents) {
      for (auto& [guid, footprint] : footprints_) look_up(guid, footprint);
      return;
    }
    for (std::size_t cell = 0; cell < snapshot_.size(); ++cell) {
      for (const auto& [guid, count] : snapshot_[cell].processes) {
        const auto found = footprints_.find(guid);
        if (found != footprints_.end()) found->second.add(cell, fleet_.cells[cell].zone, count);
      }
    }
  }

  void look_up(const std::string& guid, Footprint& footprint) const {
    for (std::size_t cell = 0; cell < snapshot_.size(); ++cell) {
      const auto count = snapshot_[cell].instances_of(guid);
      if (count > 0) footprint.add(cell, fleet_.cells[cell].zone, count);
    }
  }

  // An item is chosen for, then reserved: the second look finds what the first has found.
  Footprint& footprint_of(const std::string& guid) {
    if (last_footprint_ && last_footprint_->first == guid) return last_footprint_->second;
    const auto [found, is_new] = footprints_.try_emplace(guid, map_, fleet_.zones.size());
    if (is_new) look_up(guid, found->second);  // one that was not announced
    last_footprint_ = &*found;
    return found->second;
  }

  // Most items ask for the same as the one before.
  const Compatible& filter(const models::PlacementConstraint& constraint) {
    if (last_filtered_ && last_constraint_ == constraint) return *last_filtered_;
    const auto [found, is_new] = filtered_.try_emplace(key_of(constraint));
    if (is_new) fill(found->second, constraint);
    last_constraint_ = constraint;
    last_filtered_ = &found->second;
    return found->second;
  }

  void fill(Compatible& compatible, const models::PlacementConstraint& constraint) const {
    std::map<std::size_t, std::vector<std::size_t>> zones;
    for (std::size_t pool = 0; pool < pools_.size(); ++pool) {
      const Stage stage = stage_reached(snapshot_[pools_[pool].members().front()], constraint);
      compatible.furthest = std::max(compatible.furthest, stage);
      if (stage == Stage::kPassed) zones[pools_[pool].zone()].push_back(pool);
    }
    for (auto& [zone, pools] : zones) compatible.zones.push_back({zone, std::move(pools)});
  }

  // The zones with the fewest instances of the process first; those with equally many compete as one.
  Best search_by_zone(const models::CellLRP& lrp, const Compatible& compatible, const Footprint& footprint,
                      const std::vector<std::uint32_t>& counts) {
    zone_order_.clear();
    for (const auto& zone : compatible.zones) zone_order_.push_back(&zone);
    std::stable_sort(zone_order_.begin(), zone_order_.end(), [&footprint](const auto* a, const auto* b) {
      return footprint.in_zone(a->zone) < footprint.in_zone(b->zone);
    });
    Best best;
    for (std::size_t i = 0; i < zone_order_.size(); ++i) {
      const auto instances = footprint.in_zone(zone_order_[i]->zone);
      const bool is_next_group = i > 0 && instances != footprint.in_zone(zone_order_[i - 1]->zone);
      if (is_next_group && best.found) break;
      for (const std::size_t pool : zone_order_[i]->pools) {
        pools_[pool].search_lrp(needed(lrp.resource, pools_[pool].first()), counts, footprint.least_in(pool), best);
      }
    }
    return best;
  }

  template <typename DemandOn>
  std::string shortage(const Compatible& compatible, DemandOn demand_on) const {
    Shortage result;
    for (const auto& zone : compatible.zones) {
      for (const std::size_t pool : zone.pools) pools_[pool].narrow(result, demand_on(pools_[pool].first()));
    }
    return result.text();
  }

  void update(std::size_t cell) { pools_[map_.pool_of_cell[cell]].update(map_.slot_of_cell[cell]); }

  std::span<const CellSnapshot> snapshot_;
  PlacementOptions options_;
  Fleet fleet_;
  std::vector<CellPool> pools_;
  PoolMap map_;
  std::unordered_map<std::string, Footprint> footprints_;
  std::pair<const std::string, Footprint>* last_footprint_ = nullptr;  // in footprints_
  std::unordered_map<std::string, Compatible> filtered_;
  models::PlacementConstraint last_constraint_;
  const Compatible* last_filtered_ = nullptr;  // in filtered_
  std::vector<std::uint32_t> scratch_;
  std::vector<const Compatible::Zone*> zone_order_;
};

}  // namespace

std::unique_ptr<CellChooser> make_pool_search(std::span<const CellSnapshot> cells, const std::vector<LRPAuction>& lrps,
                                              const PlacementOptions& options) {
  return std::make_unique<PoolSearch>(cells, lrps, options);
}

}  // namespace rivera::auction
