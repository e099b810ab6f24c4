#include "simulation/world/world.h"

#include <algorithm>
#include <time.h>

namespace rivera::simulation {
namespace {

// Position of a process among those of a cell, or where to insert it.
auto find_process(std::vector<auction::ProcessCount>& list, const std::string& guid) {
  return std::lower_bound(
      list.begin(), list.end(), guid,
      [](const auction::ProcessCount& entry, const std::string& wanted) { return entry.process_guid < wanted; });
}

std::chrono::nanoseconds processor_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

auction::LRPAuction auction_for(const World& world, InstanceId id) {
  const Process& process = world.process_of(id);
  auction::LRPAuction auction;
  auction.lrp.process_guid = process.guid;
  auction.lrp.index = world.instances()[id].index;
  auction.lrp.domain = "simulation";
  auction.lrp.placement = process.placement;
  auction.lrp.resource = {.memory_mb = process.memory_mb, .disk_mb = process.disk_mb};
  return auction;
}

}  // namespace

CellId World::add_cell(auction::CellSnapshot empty) {
  cells_.push_back({std::move(empty), {}});
  return static_cast<CellId>(cells_.size() - 1);
}

ProcessId World::add_process(Process process) {
  processes_.push_back(std::move(process));
  next_index_.push_back(0);
  return static_cast<ProcessId>(processes_.size() - 1);
}

InstanceId World::add_instance(ProcessId process, bool is_new) {
  return add_instance(process, next_index_[process]++, is_new);
}

InstanceId World::add_instance(ProcessId process, std::int32_t index, bool is_new) {
  instances_.push_back({process, index, is_new});
  return static_cast<InstanceId>(instances_.size() - 1);
}

// A container without a memory limit has no proxy memory either.
std::int64_t World::container_memory(const Process& process, const Cell& cell) const {
  return process.memory_mb + (process.memory_mb > 0 ? cell.now.proxy_memory : 0);
}

void World::put(InstanceId instance, CellId where, bool is_starting) {
  const Process& process = process_of(instance);
  Cell& cell = cells_[where];
  cell.instances.push_back(instance);
  cell.now.free_memory -= container_memory(process, cell);
  cell.now.free_disk -= process.disk_mb;
  --cell.now.free_containers;
  if (is_starting) ++cell.now.starting_containers;
  auto& list = cell.now.processes;
  const auto found = find_process(list, process.guid);
  if (found != list.end() && found->process_guid == process.guid) {
    ++found->count;
  } else {
    list.insert(found, {process.guid, 1});
  }
}

void World::remove(InstanceId instance, CellId where, bool is_starting) {
  const Process& process = process_of(instance);
  Cell& cell = cells_[where];
  const auto held = std::find(cell.instances.begin(), cell.instances.end(), instance);
  if (held == cell.instances.end()) throw std::logic_error("the cell does not hold the instance");
  *held = cell.instances.back();
  cell.instances.pop_back();
  cell.now.free_memory += container_memory(process, cell);
  cell.now.free_disk += process.disk_mb;
  ++cell.now.free_containers;
  if (is_starting) --cell.now.starting_containers;
  const auto found = find_process(cell.now.processes, process.guid);
  if (--found->count == 0) cell.now.processes.erase(found);
}

void World::settle() {
  for (auto& instance : instances_) instance.is_new = false;
  for (auto& cell : cells_) cell.now.starting_containers = 0;
}

std::vector<InstanceId> World::offer(CellId where, std::vector<InstanceId> work) {
  std::stable_sort(work.begin(), work.end(),
                   [this](InstanceId a, InstanceId b) { return process_of(a).memory_mb > process_of(b).memory_mb; });
  std::vector<InstanceId> refused;
  for (const InstanceId instance : work) {
    const Process& process = process_of(instance);
    const auto& now = cells_[where].now;
    const bool fits = now.free_memory >= process.memory_mb + now.proxy_memory && now.free_disk >= process.disk_mb &&
                      now.free_containers >= 1;
    if (fits && cells_[where].takes_work) {
      put(instance, where, true);
    } else {
      refused.push_back(instance);
    }
  }
  return refused;
}

std::int64_t World::memory_of_instances(const Cell& cell, bool only_old) const {
  std::int64_t sum = 0;
  for (const InstanceId id : cell.instances) {
    if (!only_old || !instances_[id].is_new) sum += process_of(id).memory_mb;
  }
  return sum;
}

Round hold_auction(World& world, std::span<const InstanceId> work, const auction::PlacementOptions& options) {
  std::vector<auction::CellSnapshot> snapshots;
  std::vector<CellId> answering;
  for (CellId cell = 0; cell < world.cells().size(); ++cell) {
    if (!world.cells()[cell].takes_work) continue;
    snapshots.push_back(world.cells()[cell].now);
    answering.push_back(cell);
  }
  std::vector<auction::LRPAuction> lrps;
  lrps.reserve(work.size());
  for (const InstanceId id : work) lrps.push_back(auction_for(world, id));

  Round round;
  const auto began = processor_time();
  const auto plan = auction::place(snapshots, lrps, {}, options);
  round.placement_time = processor_time() - began;

  for (const auto& failed : plan.failed_lrps) round.failed.emplace_back(work[failed.item], failed.error);
  for (const auto& assignment : plan.cells) {
    const CellId cell = answering[assignment.cell];
    std::vector<InstanceId> offered;
    for (const auto position : assignment.lrps) offered.push_back(work[position]);
    const auto refused = world.offer(cell, offered);
    for (const InstanceId id : offered) {
      if (std::find(refused.begin(), refused.end(), id) == refused.end()) round.placed.emplace_back(id, cell);
    }
    for (const InstanceId id : refused) round.failed.emplace_back(id, "rejected by the cell: memory");
  }
  return round;
}

}  // namespace rivera::simulation
