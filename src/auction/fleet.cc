#include "auction/fleet.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <unordered_map>

namespace rivera::auction {

namespace {

// Positions of the cells by index, then id.
std::vector<std::size_t> ranking(std::span<const CellSnapshot> snapshot) {
  std::vector<std::size_t> order(snapshot.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&snapshot](std::size_t a, std::size_t b) {
    return std::tie(snapshot[a].cell_index, snapshot[a].cell_id) <
           std::tie(snapshot[b].cell_index, snapshot[b].cell_id);
  });
  return order;
}

double used_fraction(const Cell& cell, const Room& room, const Demand& demand) {
  const auto memory_left = static_cast<double>(room.memory - demand.memory);
  const auto disk_left = static_cast<double>(room.disk - demand.disk);
  const auto containers_left = static_cast<double>(room.containers - 1);
  const double memory_used = 1.0 - memory_left / static_cast<double>(cell.total_memory);
  const double disk_used = 1.0 - disk_left / static_cast<double>(cell.total_disk);
  const double containers_used = 1.0 - containers_left / static_cast<double>(cell.total_containers);
  return (memory_used + disk_used + containers_used) / 3.0;
}

double resource_score(const Cell& cell, const Room& room, const Demand& demand, const PlacementOptions& options) {
  return used_fraction(cell, room, demand) + static_cast<double>(room.starting) * options.starting_container_weight;
}

}  // namespace

Fleet make_fleet(std::span<const CellSnapshot> snapshot, const PlacementOptions& options) {
  Fleet fleet;
  fleet.cells.resize(snapshot.size());
  fleet.rooms.resize(snapshot.size());
  std::unordered_map<std::string_view, std::size_t> zone_numbers;
  std::vector<std::int64_t> next_in_zone;
  std::size_t rank = 0;
  for (const std::size_t i : ranking(snapshot)) {
    const auto& from = snapshot[i];
    const auto [zone, is_new] = zone_numbers.emplace(from.zone, fleet.zones.size());
    if (is_new) {
      fleet.zones.push_back(from.zone);
      next_in_zone.push_back(0);
    }
    const std::int64_t position_in_zone = next_in_zone[zone->second]++;
    const std::int64_t index = options.bin_pack_first_fit_weight > 0 ? position_in_zone : from.cell_index;
    fleet.cells[i] = {.total_memory = from.total_memory,
                      .total_disk = from.total_disk,
                      .total_containers = from.total_containers,
                      .proxy_memory = from.proxy_memory,
                      .index = static_cast<double>(index),
                      .zone = zone->second,
                      .rank = rank++};
    fleet.rooms[i] = {.memory = from.free_memory,
                      .disk = from.free_disk,
                      .containers = from.free_containers,
                      .starting = from.starting_containers,
                      .tasks = from.tasks};
  }
  return fleet;
}

double lrp_score(const Cell& cell, const Room& room, const Demand& demand, std::uint32_t same_process,
                 const PlacementOptions& options) {
  double score = resource_score(cell, room, demand, options);
  score += kLocalityPenalty * same_process;
  score += cell.index * options.bin_pack_first_fit_weight;
  return score;
}

double task_score(const Cell& cell, const Room& room, const Demand& demand, const PlacementOptions& options) {
  double score = resource_score(cell, room, demand, options);
  score += kLocalityPenalty * static_cast<double>(room.tasks);
  return score;
}

std::string Shortage::text() const {
  std::string problems;
  const auto add = [&problems](bool is_short, std::string_view name) {
    if (!is_short) return;
    problems += problems.empty() ? ": " : ", ";
    problems += name;
  };
  add(containers, "containers");
  add(disk, "disk");
  add(memory, "memory");
  return "insufficient resources" + problems;
}

}  // namespace rivera::auction
