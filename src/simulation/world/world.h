// The cells of a simulated cluster and their instances.
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
  bool is_new = true;  // false: placed before the scenario
};

struct Cell {
  auction::CellSnapshot now;          // the cell's state
  std::vector<InstanceId> instances;  // whose containers it has
  bool takes_work = true;             // false: it evacuates, or is lost
};

// Passive. add_instance() creates instances; put() and remove() set where they run. An instance may be on two cells at
// a time: the evacuating one and the replacement.
class World {
 public:
  CellId add_cell(auction::CellSnapshot empty);
  ProcessId add_process(Process process);
  InstanceId add_instance(ProcessId process, bool is_new = true);
  // The same with an explicit index.
  InstanceId add_instance(ProcessId process, std::int32_t index, bool is_new);

  const std::vector<Cell>& cells() const { return cells_; }
  const std::vector<Process>& processes() const { return processes_; }
  const std::vector<Instance>& instances() const { return instances_; }
  const Process& process_of(InstanceId instance) const { return processes_[instances_[instance].process]; }

  // Adds a container of the instance to the cell, starting or running.
  void put(InstanceId instance, CellId cell, bool is_starting);
  void remove(InstanceId instance, CellId cell, bool is_starting);
  // The instance has got a container during the scenario.
  void renew(InstanceId instance) { instances_[instance].is_new = true; }
  void has_started(CellId cell) { --cells_[cell].now.starting_containers; }
  void set_takes_work(CellId cell, bool takes_work) { cells_[cell].takes_work = takes_work; }
  void renumber(CellId cell, std::int64_t cell_index) { cells_[cell].now.cell_index = cell_index; }
  // Marks everything so far as placed before the scenario, and as started.
  void settle();

  // Offers work to the cell, which accepts it by the rep's rules (docs/spec/locket-and-auction.md §3.4): the largest
  // first, each if there is room for it and its proxy. Accepted instances start; returns the rejected ones.
  std::vector<InstanceId> offer(CellId cell, std::vector<InstanceId> work);

  // Sum of the instances' memory on a cell, without proxies. `only_old`: only those placed before the scenario.
  std::int64_t memory_of_instances(const Cell& cell, bool only_old = false) const;

 private:
  std::int64_t container_memory(const Process& process, const Cell& cell) const;

  std::vector<Cell> cells_;
  std::vector<Process> processes_;
  std::vector<std::int32_t> next_index_;  // by process
  std::vector<Instance> instances_;
};

// The result of one batch.
struct Round {
  std::vector<std::pair<InstanceId, CellId>> placed;
  std::vector<std::pair<InstanceId, std::string>> failed;  // with the placement error
  std::chrono::nanoseconds placement_time{0};              // CPU time of auction::place
};

// One auction: fetches the states of cells that accept work, places the work, and offers it to the cells.
Round hold_auction(World& world, std::span<const InstanceId> work, const auction::PlacementOptions& options);

}  // namespace rivera::simulation
