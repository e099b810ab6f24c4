// For tests: a direct implementation of docs/spec/locket-and-auction.md §4.4 to §4.6. Every cell is filtered and scored
// for every item, from the snapshots themselves; nothing is shared with the production search but the parsing of root
// file system URLs, so that an error in one shows as a difference.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "auction/cell_chooser.h"

namespace rivera::auction::testing {

class Reference final : public CellChooser {
 public:
  // All arguments except the cells and the options must outlive it.
  Reference(std::span<const CellSnapshot> cells, const std::vector<LRPAuction>& lrps,
            const std::vector<TaskAuction>& tasks, const PlacementOptions& options)
      : options_(options), lrps_(lrps), tasks_(tasks) {
    for (const auto& cell : cells) cells_.push_back({cell, index_of(cell, cells), {}});
    for (auto& cell : cells_) {
      for (const auto& [guid, count] : cell.now.processes) cell.instances[guid] = count;
    }
  }

  Choice choose(const WorkItem& item) override {
    return item.is_task ? choose(tasks_[item.position].task) : choose(lrps_[item.position].lrp);
  }

  void reserve(std::size_t i, const WorkItem& item) override {
    if (item.is_task) return reserve(i, tasks_[item.position].task);
    reserve(i, lrps_[item.position].lrp);
  }

  Choice choose(const models::CellLRP& lrp) {
    const auto compatible = filter(lrp.placement);
    if (compatible.empty()) return {std::nullopt, filter_error(lrp.placement)};
    std::map<std::string, std::uint64_t> in_zone;
    for (const auto& cell : cells_) in_zone[cell.now.zone] += instances_on(cell, lrp.process_guid);
    std::map<std::uint64_t, std::vector<std::size_t>> groups;  // zones with equally many instances compete as one
    for (const auto i : compatible) groups[in_zone[cells_[i].now.zone]].push_back(i);
    for (const auto& [count, group] : groups) {
      const auto best = best_of(group, lrp);
      if (best) return {best, ""};
    }
    return {std::nullopt, shortage(compatible, lrp)};
  }

  Choice choose(const models::CellTask& task) {
    const auto compatible = filter(task.placement);
    if (compatible.empty()) return {std::nullopt, filter_error(task.placement)};
    const auto best = best_of(compatible, task);
    if (best) return {best, ""};
    return {std::nullopt, shortage(compatible, task)};
  }

  void reserve(std::size_t i, const models::CellLRP& lrp) {
    const bool with_proxy = options_.reserve_proxy_memory && lrp.resource.memory_mb > 0;
    take(i, lrp.resource.memory_mb + (with_proxy ? cells_[i].now.proxy_memory : 0), lrp.resource.disk_mb);
    ++cells_[i].instances[lrp.process_guid];
  }

  void reserve(std::size_t i, const models::CellTask& task) {
    take(i, task.resource.memory_mb, task.resource.disk_mb);
    ++cells_[i].now.tasks;
  }

  double score(std::size_t i, const WorkItem& item) const {
    return item.is_task ? score(i, tasks_[item.position].task) : score(i, lrps_[item.position].lrp);
  }

  // §4.5. NaN for a cell that cannot win: it lacks a resource, or has none of it at all.
  double score(std::size_t i, const models::CellLRP& lrp) const {
    const auto& cell = cells_[i];
    if (lacks(cell, lrp).any() || !has_totals(cell)) return kNoScore;
    double result = used(cell, memory_for(cell, lrp), lrp.resource.disk_mb) +
                    static_cast<double>(cell.now.starting_containers) * options_.starting_container_weight;
    result += 1000.0 * instances_on(cell, lrp.process_guid);
    result += cell.index * options_.bin_pack_first_fit_weight;
    return result;
  }
  double score(std::size_t i, const models::CellTask& task) const {
    const auto& cell = cells_[i];
    if (lacks(cell, task).any() || !has_totals(cell)) return kNoScore;
    double result = used(cell, task.resource.memory_mb, task.resource.disk_mb) +
                    static_cast<double>(cell.now.starting_containers) * options_.starting_container_weight;
    result += 1000.0 * static_cast<double>(cell.now.tasks);
    return result;
  }

  // The cell after all reservations, and the index in its score.
  const CellSnapshot& cell(std::size_t i) const { return cells_[i].now; }
  double index(std::size_t i) const { return cells_[i].index; }

 private:
  static constexpr double kNoScore = std::numeric_limits<double>::quiet_NaN();

  struct Cell {
    CellSnapshot now;
    double index = 0;
    std::map<std::string, std::uint32_t> instances;
  };
  struct Lacks {
    bool containers = false;
    bool disk = false;
    bool memory = false;
    bool any() const { return containers || disk || memory; }
  };

  // §4.2: when bin packing, the position among the cells of the zone.
  double index_of(const CellSnapshot& cell, std::span<const CellSnapshot> all) const {
    if (options_.bin_pack_first_fit_weight <= 0) return static_cast<double>(cell.cell_index);
    return static_cast<double>(std::count_if(all.begin(), all.end(), [&cell](const CellSnapshot& other) {
      return other.zone == cell.zone &&
             std::pair(other.cell_index, other.cell_id) < std::pair(cell.cell_index, cell.cell_id);
    }));
  }

  // §4.4: how many of the three tests a cell passes.
  static int stages_passed(const Cell& cell, const models::PlacementConstraint& wanted) {
    if (!models::provides(cell.now.root_fs_providers, wanted.root_fs)) return 0;
    const std::set<std::string> drivers(cell.now.volume_drivers.begin(), cell.now.volume_drivers.end());
    for (const auto& driver : wanted.volume_drivers) {
      if (!drivers.contains(driver)) return 1;
    }
    const std::set<std::string> requested(wanted.placement_tags.begin(), wanted.placement_tags.end());
    const std::set<std::string> required(cell.now.required_tags.begin(), cell.now.required_tags.end());
    std::set<std::string> known = required;
    known.insert(cell.now.optional_tags.begin(), cell.now.optional_tags.end());
    const bool fits = std::includes(requested.begin(), requested.end(), required.begin(), required.end()) &&
                      std::includes(known.begin(), known.end(), requested.begin(), requested.end());
    return fits ? 3 : 2;
  }

  std::vector<std::size_t> filter(const models::PlacementConstraint& wanted) const {
    std::vector<std::size_t> result;
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      if (stages_passed(cells_[i], wanted) == 3) result.push_back(i);
    }
    return result;
  }

  std::string filter_error(const models::PlacementConstraint& wanted) const {
    int furthest = 0;
    for (const auto& cell : cells_) furthest = std::max(furthest, stages_passed(cell, wanted));
    if (furthest == 0) return "found no compatible cell for required rootfs";
    if (furthest == 1) return "found no compatible cell with required volume drivers";
    const auto& tags = wanted.placement_tags;
    if (tags.empty()) return "found no compatible cell with no placement tags";
    if (tags.size() == 1) return "found no compatible cell with placement tag \"" + tags[0] + "\"";
    std::string text = "found no compatible cell with placement tags \"" + tags[0] + "\"";
    for (std::size_t i = 1; i + 1 < tags.size(); ++i) text += ", \"" + tags[i] + "\"";
    return text + " and \"" + tags.back() + "\"";
  }

  static std::int64_t memory_for(const Cell& cell, const models::CellLRP& lrp) {
    return lrp.resource.memory_mb + cell.now.proxy_memory;
  }
  static std::int64_t memory_for(const Cell&, const models::CellTask& task) { return task.resource.memory_mb; }

  template <typename Item>
  static Lacks lacks(const Cell& cell, const Item& item) {
    return {.containers = cell.now.free_containers < 1,
            .disk = cell.now.free_disk < item.resource.disk_mb,
            .memory = cell.now.free_memory < memory_for(cell, item)};
  }

  static bool has_totals(const Cell& cell) {
    return cell.now.total_memory > 0 && cell.now.total_disk > 0 && cell.now.total_containers > 0;
  }

  static double used(const Cell& cell, std::int64_t memory, std::int64_t disk) {
    const auto part = [](std::int64_t left, std::int64_t total) {
      return 1.0 - static_cast<double>(left) / static_cast<double>(total);
    };
    return (part(cell.now.free_memory - memory, cell.now.total_memory) +
            part(cell.now.free_disk - disk, cell.now.total_disk) +
            part(cell.now.free_containers - 1, cell.now.total_containers)) /
           3.0;
  }

  static std::uint32_t instances_on(const Cell& cell, const std::string& process_guid) {
    const auto found = cell.instances.find(process_guid);
    return found == cell.instances.end() ? 0 : found->second;
  }

  // The lowest score; of equals the lowest cell index, then the lowest id.
  template <typename Item>
  std::optional<std::size_t> best_of(const std::vector<std::size_t>& candidates, const Item& item) const {
    std::optional<std::size_t> best;
    double best_score = 1e20;
    for (const auto i : candidates) {
      const double value = score(i, item);
      if (std::isnan(value) || value >= 1e20) continue;
      const bool is_earlier = best && std::pair(cells_[i].now.cell_index, cells_[i].now.cell_id) <
                                          std::pair(cells_[*best].now.cell_index, cells_[*best].now.cell_id);
      if (value < best_score || (value == best_score && is_earlier)) {
        best = i;
        best_score = value;
      }
    }
    return best;
  }

  // §4.6: the resources that every compatible cell without room lacks.
  template <typename Item>
  std::string shortage(const std::vector<std::size_t>& compatible, const Item& item) const {
    Lacks all{.containers = true, .disk = true, .memory = true};
    for (const auto i : compatible) {
      const Lacks here = lacks(cells_[i], item);
      if (!here.any()) continue;
      all = {all.containers && here.containers, all.disk && here.disk, all.memory && here.memory};
    }
    std::vector<std::string> names;
    if (all.containers) names.push_back("containers");
    if (all.disk) names.push_back("disk");
    if (all.memory) names.push_back("memory");
    std::string text = "insufficient resources";
    for (std::size_t i = 0; i < names.size(); ++i) text += (i == 0 ? ": " : ", ") + names[i];
    return text;
  }

  void take(std::size_t i, std::int64_t memory, std::int64_t disk) {
    auto& now = cells_[i].now;
    now.free_memory -= memory;
    now.free_disk -= disk;
    --now.free_containers;
    ++now.starting_containers;
  }

  PlacementOptions options_;
  const std::vector<LRPAuction>& lrps_;
  const std::vector<TaskAuction>& tasks_;
  std::vector<Cell> cells_;
};

}  // namespace rivera::auction::testing
