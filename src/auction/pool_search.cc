#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>
#include <unordered_map>

#include "auction/cell_chooser.h"
#include "auction/cell_pool.h"
#include "auction/constraints.h"
#include "auction/fleet.h"
#include "auction/footprint.h"
#include "base/check.h"

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

// A unique text for each constraint.
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

// A compact form of an item: a batch may have 250,000, which are visited in another order than they arrived in.
struct Request {
  models::ContainerResource resource;
  std::uint32_t constraint = 0;  // position in PoolSearch::compatible_
  std::uint32_t process = 0;     // position in PoolSearch::footprints_; of LRPs only
};

class PoolSearch final : public CellChooser {
 public:
  PoolSearch(std::span<const CellSnapshot> cells, const std::vector<LRPAuction>& lrps,
             const std::vector<TaskAuction>& tasks, const PlacementOptions& options, Method method)
      : snapshot_(cells),
        lrps_(lrps),
        tasks_(tasks),
        options_(options),
        fleet_(make_fleet(cells, options)),
        scratch_(cells.size()) {
    make_pools(method);
    read_requests();
    fill_footprints();
  }

  Choice choose(const WorkItem& item) override {
    const Request& request = request_of(item);
    const Compatible& compatible = compatible_[request.constraint];
    if (compatible.zones.empty()) return {std::nullopt, constraint_error(compatible.furthest, constraint_of(item))};
    const Best best = item.is_task ? search_for_task(request, compatible) : search_for_lrp(request, compatible);
    if (best.found) return {best.cell, ""};
    return {std::nullopt, shortage(item, request, compatible)};
  }

  void reserve(std::size_t cell, const WorkItem& item) override {
    const Request& request = request_of(item);
    RIVERA_CHECK(cell < fleet_.cells.size(), "work is placed on a cell of the fleet");
    const Cell& facts = fleet_.cells[cell];
    Room& room = fleet_.rooms[cell];
    if (item.is_task) {
      room.take(needed(request.resource));
      ++room.tasks;
    } else {
      room.take(reserved(request.resource, facts, options_));
      footprints_[request.process].add(cell, facts.zone);
    }
    RIVERA_CHECK(room.containers >= 0, "a cell gets no more containers than it has room for");
    pools_[map_.pool_of_cell[cell]].update(map_.slot_of_cell[cell]);
  }

 private:
  void make_pools(Method method) {
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
      pools_.emplace_back(fleet_, std::move(members), options_, method);
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

  const Request& request_of(const WorkItem& item) const {
    return item.is_task ? task_requests_[item.position] : lrp_requests_[item.position];
  }
  const models::PlacementConstraint& constraint_of(const WorkItem& item) const {
    return item.is_task ? tasks_[item.position].task.placement : lrps_[item.position].lrp.placement;
  }

  // Numbers the processes and the constraints of the batch. Adjacent items mostly have the same.
  void read_requests() {
    lrp_requests_.reserve(lrps_.size());
    for (const auto& [lrp, arrived] : lrps_) {
      const bool is_as_before = !lrp_requests_.empty() && last_process_ == lrp.process_guid;
      const std::uint32_t process = is_as_before ? lrp_requests_.back().process : number_of_process(lrp.process_guid);
      lrp_requests_.push_back({lrp.resource, number_of_constraint(lrp.placement), process});
    }
    task_requests_.reserve(tasks_.size());
    for (const auto& [task, arrived] : tasks_) {
      task_requests_.push_back({task.resource, number_of_constraint(task.placement), 0});
    }
  }

  std::uint32_t number_of_process(std::string_view guid) {
    const auto number = static_cast<std::uint32_t>(footprints_.size());
    const auto [found, is_new] = process_numbers_.try_emplace(guid, number);
    if (is_new) footprints_.emplace_back(map_, fleet_.zones.size());
    last_process_ = guid;
    return found->second;
  }

  std::uint32_t number_of_constraint(const models::PlacementConstraint& constraint) {
    if (last_constraint_ && *last_constraint_ == constraint) return last_constraint_number_;
    const auto number = static_cast<std::uint32_t>(compatible_.size());
    const auto [found, is_new] = constraint_numbers_.try_emplace(key_of(constraint), number);
    if (is_new) fill(compatible_.emplace_back(), constraint);
    last_constraint_ = &constraint;
    return last_constraint_number_ = found->second;
  }

  // Counts the instances on the cells for the processes in the batch: by looking up each process, or by a pass over
  // everything that runs, whichever is cheaper.
  void fill_footprints() {
    std::size_t residents = 0;
    for (const auto& cell : snapshot_) residents += cell.processes.size();
    constexpr std::size_t kLookupCost = 8;  // a binary search compared with one step of a pass
    if (footprints_.size() * snapshot_.size() * kLookupCost <= residents) {
      for (const auto& [guid, number] : process_numbers_) look_up(guid, footprints_[number]);
      return;
    }
    for (std::size_t cell = 0; cell < snapshot_.size(); ++cell) {
      for (const auto& [guid, count] : snapshot_[cell].processes) {
        const auto found = process_numbers_.find(guid);
        if (found != process_numbers_.end()) footprints_[found->second].add(cell, fleet_.cells[cell].zone, count);
      }
    }
  }

  void look_up(std::string_view guid, Footprint& footprint) const {
    for (std::size_t cell = 0; cell < snapshot_.size(); ++cell) {
      const auto count = snapshot_[cell].instances_of(guid);
      if (count > 0) footprint.add(cell, fleet_.cells[cell].zone, count);
    }
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

  // The zones with the fewest instances of the process first; zones with equal counts are searched together.
  Best search_for_lrp(const Request& request, const Compatible& compatible) {
    const Footprint& footprint = footprints_[request.process];
    const auto& counts = footprint.counts(scratch_);
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
        pools_[pool].search_lrp(needed(request.resource, pools_[pool].first()), counts, footprint.least_in(pool), best);
      }
    }
    footprint.done(scratch_);
    return best;
  }

  Best search_for_task(const Request& request, const Compatible& compatible) const {
    Best best;
    for (const auto& zone : compatible.zones) {
      for (const std::size_t pool : zone.pools) pools_[pool].search_task(needed(request.resource), best);
    }
    return best;
  }

  std::string shortage(const WorkItem& item, const Request& request, const Compatible& compatible) const {
    Shortage result;
    for (const auto& zone : compatible.zones) {
      for (const std::size_t pool : zone.pools) {
        const Cell& cell = pools_[pool].first();
        pools_[pool].narrow(result, item.is_task ? needed(request.resource) : needed(request.resource, cell));
      }
    }
    return result.text();
  }

  std::span<const CellSnapshot> snapshot_;
  const std::vector<LRPAuction>& lrps_;
  const std::vector<TaskAuction>& tasks_;
  PlacementOptions options_;
  Fleet fleet_;
  std::vector<CellPool> pools_;
  PoolMap map_;
  std::vector<Request> lrp_requests_;  // as in the batch
  std::vector<Request> task_requests_;
  std::vector<Footprint> footprints_;
  std::vector<Compatible> compatible_;
  std::vector<std::uint32_t> scratch_;
  std::vector<const Compatible::Zone*> zone_order_;

  // For read_requests() and fill_footprints() alone.
  std::unordered_map<std::string_view, std::uint32_t> process_numbers_;
  std::unordered_map<std::string, std::uint32_t> constraint_numbers_;
  std::string_view last_process_;
  const models::PlacementConstraint* last_constraint_ = nullptr;
  std::uint32_t last_constraint_number_ = 0;
};

}  // namespace

std::unique_ptr<CellChooser> make_pool_search(std::span<const CellSnapshot> cells, const std::vector<LRPAuction>& lrps,
                                              const std::vector<TaskAuction>& tasks, const PlacementOptions& options,
                                              Method method) {
  return std::make_unique<PoolSearch>(cells, lrps, tasks, options, method);
}

}  // namespace rivera::auction
