// The cells of a simulated cluster and what they hold.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "auction/placement.h"

namespace rivera::simulation {

using ProcessId = std::uint32_t;   // position in World::processes()
using InstanceId = std::uint32_t;  // position in World::instances()
using CellId = std::uint32_t;      // position in World::cells()

struct Process {
  std::string guid;
  std::int32_t memory_mb = 1;
  std::int32_t disk_mb = 1;
  models::PlacementConstraint placement = {};
};

struct Instance {
  ProcessId process = 0;
  std::int32_t index = 0;
  bool is_new = true;  // false: where it was before the scenario began
};

struct Cell {
  auction::CellSnapshot now;          // as the cell describes itself
  std::vector<InstanceId> instances;  // whose containers it has
  bool takes_work = true;             // false: it evacuates, or is gone
};

// Passive. Instances are known once they exist; where they run is said by put() and remove(). An instance may be on two
// cells for a while: on one that evacuates, and on the one that takes over.
class World {
 public:
  CellId add_cell(auction::CellSnapshot empty);
  ProcessId add_process(Process process);
  InstanceId add_instance(ProcessId process, bool is_new = true);
  // With an index that is not the next of its process.
  InstanceId add_instance(ProcessId process, std::int32_t index, bool is_new);

  const std::vector<Cell>& cells() const { return cells_; }
  const std::vector<Process>& processes() const { return processes_; }
  const std::vector<Instance>& instances() const { return instances_; }
  const Process& process_of(InstanceId instance) const { return processes_[instances_[instance].process]; }

  // Gives the instance a container on the cell, which is starting or runs already.
  void put(InstanceId instance, CellId cell, bool is_starting);
  void remove(InstanceId instance, CellId cell, bool is_starting);
  // It has got a container of the scenario's.
  void renew(InstanceId instance) { instances_[instance].is_new = true; }
  void has_started(CellId cell) { --cells_[cell].now.starting_containers; }
  void let_take_work(CellId cell, bool takes_work) { cells_[cell].takes_work = takes_work; }
  void renumber(CellId cell, std::int64_t cell_index) { cells_[cell].now.cell_index = cell_index; }
  // Everything so far counts as old and as started.
  void settle();

  // What the cell would answer to this work, by the rep's rules (docs/spec/locket-and-auction.md §3.4): the largest
  // first, each as long as there is room for it and its proxy. The accepted ones are starting afterwards; gives the
  // others.
  std::vector<InstanceId> offer(CellId cell, std::vector<InstanceId> work);

  // Sum of the instances' memory on a cell, without proxies. `only_old`: of those that were there before.
  std::int64_t memory_of_instances(const Cell& cell, bool only_old = false) const;

 private:
  std::int64_t container_memory(const Process& process, const Cell& cell) const;

  std::vector<Cell> cells_;
  std::vector<Process> processes_;
  std::vector<std::int32_t> next_index_;  // by process
  std::vector<Instance> instances_;
};

// What became of one batch.
struct Round {
  std::vector<std::pair<InstanceId, CellId>> placed;
  std::vector<std::pair<InstanceId, std::string>> failed;  // with the placement error
  std::chrono::nanoseconds placement_time{0};              // of the processor, for auction::place alone
};

// One auction: the cells that take work are asked, the work is placed, sent, and accepted or not.
Round hold_auction(World& world, std::span<const InstanceId> work, const auction::PlacementOptions& options);

}  // namespace rivera::simulation
