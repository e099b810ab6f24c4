// Builders of cells and work for tests.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "auction/placement.h"

namespace rivera::auction::testing {

class CellBuilder {
 public:
  // An empty cell of 100 MB memory, 200 MB disk and 50 containers that takes the root file system "preloaded:linux".
  explicit CellBuilder(std::string id, std::string zone = "A-zone") {
    cell_.cell_id = std::move(id);
    cell_.zone = std::move(zone);
    cell_.root_fs_providers = models::root_fs_providers({{"linux", "/linux"}}, {"docker"});
    with_total(100, 200, 50);
  }

  CellBuilder& with_total(std::int64_t memory, std::int64_t disk, std::int64_t containers) {
    cell_.total_memory = cell_.free_memory = memory;
    cell_.total_disk = cell_.free_disk = disk;
    cell_.total_containers = cell_.free_containers = containers;
    return *this;
  }
  CellBuilder& with_free(std::int64_t memory, std::int64_t disk, std::int64_t containers) {
    cell_.free_memory = memory;
    cell_.free_disk = disk;
    cell_.free_containers = containers;
    return *this;
  }
  CellBuilder& with_index(std::int64_t index) { return set(cell_.cell_index, index); }
  CellBuilder& with_starting(std::int64_t count) { return set(cell_.starting_containers, count); }
  CellBuilder& with_proxy(std::int64_t memory) { return set(cell_.proxy_memory, memory); }
  CellBuilder& with_drivers(std::vector<std::string> drivers) { return set(cell_.volume_drivers, std::move(drivers)); }
  CellBuilder& with_required_tags(std::vector<std::string> tags) { return set(cell_.required_tags, std::move(tags)); }
  CellBuilder& with_optional_tags(std::vector<std::string> tags) { return set(cell_.optional_tags, std::move(tags)); }
  CellBuilder& with_tasks(std::int64_t count) { return set(cell_.tasks, count); }
  CellBuilder& with_providers(models::RootFsProviders providers) {
    return set(cell_.root_fs_providers, std::move(providers));
  }
  // Adds to the count without using resources. Call with guids in ascending order.
  CellBuilder& holding(std::string process_guid, std::uint32_t count = 1) {
    cell_.processes.push_back({std::move(process_guid), count});
    return *this;
  }
  // The same, and uses `memory` and `disk` for each.
  CellBuilder& running(std::string process_guid, std::int64_t memory, std::int64_t disk, std::uint32_t count = 1) {
    cell_.free_memory -= memory * count;
    cell_.free_disk -= disk * count;
    cell_.free_containers -= count;
    return holding(std::move(process_guid), count);
  }

  operator CellSnapshot() const { return cell_; }  // NOLINT: a builder stands for what it builds

 private:
  template <typename Field, typename Value>
  CellBuilder& set(Field& field, Value value) {
    field = std::move(value);
    return *this;
  }

  CellSnapshot cell_;
};

inline CellBuilder a_cell(std::string id, std::string zone = "A-zone") {
  return CellBuilder(std::move(id), std::move(zone));
}

inline models::PlacementConstraint anywhere() {
  models::PlacementConstraint constraint;
  constraint.root_fs = "preloaded:linux";
  return constraint;
}

inline LRPAuction an_lrp(std::string process_guid, std::int32_t index, std::int32_t memory, std::int32_t disk,
                         models::PlacementConstraint constraint = anywhere()) {
  LRPAuction auction;
  auction.lrp.process_guid = std::move(process_guid);
  auction.lrp.index = index;
  auction.lrp.domain = "domain";
  auction.lrp.placement = std::move(constraint);
  auction.lrp.resource = {.memory_mb = memory, .disk_mb = disk};
  return auction;
}

inline TaskAuction a_task(std::string guid, std::int32_t memory, std::int32_t disk,
                          models::PlacementConstraint constraint = anywhere()) {
  TaskAuction auction;
  auction.task.task_guid = std::move(guid);
  auction.task.domain = "domain";
  auction.task.placement = std::move(constraint);
  auction.task.resource = {.memory_mb = memory, .disk_mb = disk};
  return auction;
}

}  // namespace rivera::auction::testing
