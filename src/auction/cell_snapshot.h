// The state of a cell as placement uses it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/placement/cell_state.h"

namespace rivera::auction {

// How many instances of one process a cell holds, in any state and any domain.
struct ProcessCount {
  std::string process_guid;
  std::uint32_t count = 0;
};

// One cell's state at the start of a batch, without the details of its containers. All sizes are in megabytes.
struct CellSnapshot {
  std::string cell_id;
  std::int64_t cell_index = 0;
  std::string zone;  // "" is a valid zone

  std::int64_t total_memory = 0;
  std::int64_t total_disk = 0;
  std::int64_t total_containers = 0;
  std::int64_t free_memory = 0;
  std::int64_t free_disk = 0;
  std::int64_t free_containers = 0;
  std::int64_t starting_containers = 0;
  std::int64_t proxy_memory = 0;  // of each LRP, in addition to its own memory

  models::RootFsProviders root_fs_providers;
  std::vector<std::string> volume_drivers;
  std::vector<std::string> required_tags;
  std::vector<std::string> optional_tags;

  std::vector<ProcessCount> processes;  // sorted by guid, each once
  std::int64_t tasks = 0;

  // Instances of a process on this cell. O(log processes).
  std::uint32_t instances_of(std::string_view process_guid) const;
};

CellSnapshot snapshot_of(models::CellState state);

}  // namespace rivera::auction
