#include "models/placement/embedded_json.h"

#include <utility>

namespace rivera::models::go_json {

namespace json = boost::json;

bool read_embedded(std::string_view key, const json::value& value, PlacementConstraint& placement,
                   ContainerResource& resource) {
  if (same_key(key, "PlacementTags")) {
    read(value, key, placement.placement_tags);
  } else if (same_key(key, "VolumeDrivers")) {
    read(value, key, placement.volume_drivers);
  } else if (same_key(key, "RootFs")) {
    read(value, key, placement.root_fs);
  } else if (same_key(key, "MemoryMB")) {
    read(value, key, resource.memory_mb);
  } else if (same_key(key, "DiskMB")) {
    read(value, key, resource.disk_mb);
  } else if (same_key(key, "MaxPids")) {
    read(value, key, resource.max_pids);
  } else {
    return false;
  }
  return true;
}

void write_embedded(Writer& out, const PlacementConstraint& placement, const ContainerResource& resource) {
  write(out.key("PlacementTags"), placement.placement_tags);
  write(out.key("VolumeDrivers"), placement.volume_drivers);
  out.key("RootFs").text(placement.root_fs);
  out.key("MemoryMB").integer(resource.memory_mb);
  out.key("DiskMB").integer(resource.disk_mb);
  out.key("MaxPids").integer(resource.max_pids);
}

namespace {

constexpr std::pair<CellTaskState, std::string_view> kTaskStates[] = {
    {CellTaskState::kInvalid, "Invalid"},     {CellTaskState::kPending, "Pending"},
    {CellTaskState::kRunning, "Running"},     {CellTaskState::kCompleted, "Completed"},
    {CellTaskState::kResolving, "Resolving"},
};

CellTaskState read_task_state(const json::value& value, std::string_view key) {
  if (value.is_string()) {
    for (const auto& [state, name] : kTaskStates) {
      if (std::string_view(value.get_string()) == name) return state;
    }
  }
  fail(key, "Invalid, Pending, Running, Completed or Resolving");
}

std::string_view name_of(CellTaskState state) {
  for (const auto& [known, name] : kTaskStates) {
    if (known == state) return name;
  }
  return "Invalid";
}

}  // namespace

void read_task(const json::value& value, CellTask& into) {
  read_object(value, "task", [&into](std::string_view key, const json::value& member) {
    if (read_embedded(key, member, into.placement, into.resource)) return;
    if (same_key(key, "TaskGuid")) return read(member, key, into.task_guid);
    if (same_key(key, "Domain")) return read(member, key, into.domain);
    if (same_key(key, "failed")) return read(member, key, into.failed);
    if (same_key(key, "state")) into.state = read_task_state(member, key);
  });
}

void write_task(Writer& out, const CellTask& task) {
  out.begin_object();
  out.key("TaskGuid").text(task.task_guid);
  out.key("Domain").text(task.domain);
  write_embedded(out, task.placement, task.resource);
  out.key("state").text(name_of(task.state));
  out.key("failed").flag(task.failed);
  out.end_object();
}

}  // namespace rivera::models::go_json
