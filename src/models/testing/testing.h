// Builders of valid records for tests; a test sets by name only what matters to it.
//
//   auto lrp = a_desired_lrp("guid").with_instances(3).with_route("cf-router", "[]").build();
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "models/models.h"

namespace rivera::models::testing {

class DesiredLRPBuilder {
 public:
  explicit DesiredLRPBuilder(std::string process_guid);

  DesiredLRPBuilder& in_domain(std::string domain);
  DesiredLRPBuilder& with_instances(int instances);
  DesiredLRPBuilder& with_memory_mb(int megabytes);
  DesiredLRPBuilder& with_disk_mb(int megabytes);
  DesiredLRPBuilder& with_root_fs(std::string root_fs);
  DesiredLRPBuilder& with_action(Action action);
  DesiredLRPBuilder& with_setup(Action action);
  DesiredLRPBuilder& with_monitor(Action action);
  DesiredLRPBuilder& with_route(std::string router, std::string json);
  DesiredLRPBuilder& with_port(std::uint32_t port);
  DesiredLRPBuilder& with_placement_tag(std::string tag);
  DesiredLRPBuilder& with_volume_driver(std::string driver);
  DesiredLRPBuilder& with_metric_tag(std::string name, std::string value);
  DesiredLRPBuilder& with_update_strategy(DesiredLRP::UpdateStrategy strategy);
  DesiredLRPBuilder& with_tag(std::string epoch, std::uint32_t index);

  const DesiredLRP& build() const { return lrp_; }
  operator DesiredLRP() const { return lrp_; }  // NOLINT: a builder stands for what it builds

 private:
  DesiredLRP lrp_;
};

class ActualLRPBuilder {
 public:
  ActualLRPBuilder(std::string process_guid, int index);

  ActualLRPBuilder& in_domain(std::string domain);
  ActualLRPBuilder& unclaimed();
  ActualLRPBuilder& claimed_by(std::string cell_id, std::string instance_guid);
  ActualLRPBuilder& running_on(std::string cell_id, std::string instance_guid);
  ActualLRPBuilder& crashed(int count, std::string reason = "boom");
  ActualLRPBuilder& since(std::int64_t ns);
  ActualLRPBuilder& with_presence(ActualLRP::Presence presence);
  ActualLRPBuilder& with_routable(bool routable);
  ActualLRPBuilder& with_tag(std::string epoch, std::uint32_t index);

  const ActualLRP& build() const { return lrp_; }
  operator ActualLRP() const { return lrp_; }  // NOLINT: a builder stands for what it builds

 private:
  ActualLRP lrp_;
};

class TaskDefinitionBuilder {
 public:
  TaskDefinitionBuilder();

  TaskDefinitionBuilder& with_action(Action action);
  TaskDefinitionBuilder& with_memory_mb(int megabytes);
  TaskDefinitionBuilder& with_disk_mb(int megabytes);
  TaskDefinitionBuilder& with_root_fs(std::string root_fs);
  TaskDefinitionBuilder& with_result_file(std::string path);
  TaskDefinitionBuilder& with_callback(std::string url);
  TaskDefinitionBuilder& with_placement_tag(std::string tag);

  const TaskDefinition& build() const { return definition_; }
  operator TaskDefinition() const { return definition_; }  // NOLINT: a builder stands for what it builds

 private:
  TaskDefinition definition_;
};

class CellPresenceBuilder {
 public:
  explicit CellPresenceBuilder(std::string cell_id);

  CellPresenceBuilder& in_zone(std::string zone);
  CellPresenceBuilder& with_url(std::string rep_url);
  CellPresenceBuilder& with_capacity(int memory_mb, int disk_mb, int containers);

  const CellPresence& build() const { return cell_; }
  operator CellPresence() const { return cell_; }  // NOLINT: a builder stands for what it builds

 private:
  CellPresence cell_;
};

inline DesiredLRPBuilder a_desired_lrp(std::string process_guid = "process-guid") {
  return DesiredLRPBuilder(std::move(process_guid));
}
// UNCLAIMED unless set otherwise.
inline ActualLRPBuilder an_actual_lrp(std::string process_guid = "process-guid", int index = 0) {
  return ActualLRPBuilder(std::move(process_guid), index);
}
inline TaskDefinitionBuilder a_task_definition() { return TaskDefinitionBuilder(); }
// Pending, in domain "domain", created at 1 s after the epoch.
Task a_task(std::string task_guid = "task-guid");
inline CellPresenceBuilder a_cell(std::string cell_id = "cell-1") { return CellPresenceBuilder(std::move(cell_id)); }

// Actions that pass validation.
Action a_run_action(std::string path = "/bin/true");
Action a_download_action();

}  // namespace rivera::models::testing
