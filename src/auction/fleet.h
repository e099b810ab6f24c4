// The cells of a batch as numbers, and the score: shared by all search methods.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "auction/placement.h"

namespace rivera::auction {

// The resources that an item needs.
struct Demand {
  std::int64_t memory = 0;
  std::int64_t disk = 0;
};

// The state of a cell that placement changes.
struct Room {
  std::int64_t memory = 0;
  std::int64_t disk = 0;
  std::int64_t containers = 0;
  std::int64_t starting = 0;
  std::int64_t tasks = 0;

  bool fits(const Demand& demand) const { return disk >= demand.disk && memory >= demand.memory && containers >= 1; }
  void take(const Demand& demand) {
    memory -= demand.memory;
    disk -= demand.disk;
    --containers;
    ++starting;
  }
};

// The constant properties of a cell.
struct Cell {
  std::int64_t total_memory = 0;
  std::int64_t total_disk = 0;
  std::int64_t total_containers = 0;
  std::int64_t proxy_memory = 0;
  double index = 0;      // in the score: the cell's own index, or with bin packing its position in the zone (§4.2)
  std::size_t zone = 0;  // position in Fleet::zones
  std::size_t rank = 0;  // order among equal scores: by cell index, then id

  // A cell without memory, disk or containers at all has no score, and never wins (§4.5).
  bool has_score() const { return total_memory > 0 && total_disk > 0 && total_containers > 0; }
};

struct Fleet {
  std::vector<std::string> zones;
  std::vector<Cell> cells;  // as in the snapshot
  std::vector<Room> rooms;
};

Fleet make_fleet(std::span<const CellSnapshot> snapshot, const PlacementOptions& options);

// The resources that an LRP needs to fit on a cell, including the proxy's memory.
inline Demand needed(const models::ContainerResource& resource, const Cell& cell) {
  return {resource.memory_mb + cell.proxy_memory, resource.disk_mb};
}
inline Demand needed(const models::ContainerResource& task) { return {task.memory_mb, task.disk_mb}; }

// The resources that a placed LRP uses. A container without a memory limit gets no proxy.
inline Demand reserved(const models::ContainerResource& resource, const Cell& cell, const PlacementOptions& options) {
  const bool with_proxy = options.reserve_proxy_memory && resource.memory_mb > 0;
  return {resource.memory_mb + (with_proxy ? cell.proxy_memory : 0), resource.disk_mb};
}

// Added to the score for each instance of the same process, or each task, already on the cell.
inline constexpr double kLocalityPenalty = 1000;
// Only a score below this wins.
inline constexpr double kWorstScore = 1e20;

// Upstream's scores, in upstream's order of operations; lower is better (§4.5). Only for cells with has_score().
double lrp_score(const Cell& cell, const Room& room, const Demand& demand, std::uint32_t same_process,
                 const PlacementOptions& options);
double task_score(const Cell& cell, const Room& room, const Demand& demand, const PlacementOptions& options);

// The resources that are short on every cell without room; yields the text of the placement error.
struct Shortage {
  bool containers = true;
  bool disk = true;
  bool memory = true;

  void narrow_to(const Room& room, const Demand& demand) {
    containers = containers && room.containers < 1;
    disk = disk && room.disk < demand.disk;
    memory = memory && room.memory < demand.memory;
  }
  // "insufficient resources: disk, memory"
  std::string text() const;
};

}  // namespace rivera::auction
