#include "auction/cell_snapshot.h"

#include <algorithm>

namespace rivera::auction {

std::uint32_t CellSnapshot::instances_of(std::string_view process_guid) const {
  const auto found =
      std::lower_bound(processes.begin(), processes.end(), process_guid,
                       [](const ProcessCount& entry, std::string_view guid) { return entry.process_guid < guid; });
  return found != processes.end() && found->process_guid == process_guid ? found->count : 0;
}

namespace {

std::vector<ProcessCount> count_processes(models::NullableList<models::CellLRP>& lrps) {
  std::vector<ProcessCount> all;
  all.reserve(lrps.size());
  for (auto& lrp : lrps) all.push_back({std::move(lrp.process_guid), 1});
  std::sort(all.begin(), all.end(),
            [](const ProcessCount& a, const ProcessCount& b) { return a.process_guid < b.process_guid; });
  std::vector<ProcessCount> counted;
  for (auto& entry : all) {
    if (!counted.empty() && counted.back().process_guid == entry.process_guid) {
      ++counted.back().count;
    } else {
      counted.push_back(std::move(entry));
    }
  }
  return counted;
}

}  // namespace

CellSnapshot snapshot_of(models::CellState state) {
  CellSnapshot cell;
  cell.cell_id = std::move(state.cell_id);
  cell.cell_index = state.cell_index;
  cell.zone = std::move(state.zone);
  cell.total_memory = state.total.memory_mb;
  cell.total_disk = state.total.disk_mb;
  cell.total_containers = state.total.containers;
  cell.free_memory = state.available.memory_mb;
  cell.free_disk = state.available.disk_mb;
  cell.free_containers = state.available.containers;
  cell.starting_containers = state.starting_container_count;
  cell.proxy_memory = state.proxy_memory_allocation_mb;
  cell.root_fs_providers = std::move(state.root_fs_providers);
  cell.volume_drivers = std::move(state.volume_drivers);
  cell.required_tags = std::move(state.placement_tags);
  cell.optional_tags = std::move(state.optional_placement_tags);
  cell.processes = count_processes(state.lrps);
  cell.tasks = static_cast<std::int64_t>(state.tasks.size());
  return cell;
}

}  // namespace rivera::auction
