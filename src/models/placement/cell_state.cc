#include "models/placement/cell_state.h"

#include <boost/json/monotonic_resource.hpp>

#include "models/go/go_json.h"
#include "models/go/go_url.h"
#include "models/placement/embedded_json.h"

namespace rivera::models {

namespace {

namespace json = boost::json;
using go_json::read;
using go_json::read_embedded;
using go_json::read_list;
using go_json::read_object;
using go_json::same_key;
using go_json::Writer;

constexpr std::string_view kArbitraryType = "arbitrary";
constexpr std::string_view kFixedSetType = "fixed_set";

void write(Writer& out, const CellLRP& lrp) {
  out.begin_object();
  out.key("instance_guid").text(lrp.instance_guid);
  out.key("process_guid").text(lrp.process_guid);
  out.key("index").integer(lrp.index);
  out.key("domain").text(lrp.domain);
  go_json::write_embedded(out, lrp.placement, lrp.resource);
  out.key("state").text(lrp.state);
  out.end_object();
}

void read_lrp(const json::value& value, CellLRP& into) {
  read_object(value, "LRP", [&into](std::string_view key, const json::value& member) {
    if (read_embedded(key, member, into.placement, into.resource)) return;
    if (same_key(key, "instance_guid")) return read(member, key, into.instance_guid);
    if (same_key(key, "process_guid")) return read(member, key, into.process_guid);
    if (same_key(key, "index")) return read(member, key, into.index);
    if (same_key(key, "domain")) return read(member, key, into.domain);
    if (same_key(key, "state")) return read(member, key, into.state);
  });
}

void write(Writer& out, const NullableList<CellLRP>& lrps) {
  if (lrps.is_null()) {
    out.null();
    return;
  }
  out.begin_list();
  for (const auto& lrp : lrps) write(out, lrp);
  out.end_list();
}

void write(Writer& out, const NullableList<CellTask>& tasks) {
  if (tasks.is_null()) {
    out.null();
    return;
  }
  out.begin_list();
  for (const auto& task : tasks) go_json::write_task(out, task);
  out.end_list();
}

void write(Writer& out, const CellResources& resources) {
  out.begin_object();
  out.key("MemoryMB").integer(resources.memory_mb);
  out.key("DiskMB").integer(resources.disk_mb);
  out.key("Containers").integer(resources.containers);
  out.end_object();
}

void read_resources(const json::value& value, std::string_view name, CellResources& into) {
  read_object(value, name, [&into](std::string_view key, const json::value& member) {
    if (same_key(key, "MemoryMB")) return read(member, key, into.memory_mb);
    if (same_key(key, "DiskMB")) return read(member, key, into.disk_mb);
    if (same_key(key, "Containers")) return read(member, key, into.containers);
  });
}

void write(Writer& out, const RootFsProvider& provider) {
  switch (provider.kind) {
    case RootFsProvider::Kind::kArbitrary:
      out.begin_object().key("type").text(kArbitraryType).end_object();
      return;
    case RootFsProvider::Kind::kFixedSet:
      out.begin_object().key("set").begin_object();
      for (const auto& name : provider.names) out.key(name).begin_object().end_object();
      out.end_object().key("type").text(kFixedSetType).end_object();
      return;
    case RootFsProvider::Kind::kUnknown:
      out.null();
      return;
  }
}

RootFsProvider read_provider(const json::value& value, std::string_view scheme) {
  std::string type;
  RootFsProvider provider;
  read_object(value, scheme, [&](std::string_view key, const json::value& member) {
    if (same_key(key, "type")) return read(member, key, type);
    if (!same_key(key, "set")) return;
    read_object(member, key, [&provider](std::string_view name, const json::value&) { provider.names.emplace(name); });
  });
  if (type == kFixedSetType) {
    provider.kind = RootFsProvider::Kind::kFixedSet;
  } else {
    provider.names.clear();
    provider.kind = type == kArbitraryType ? RootFsProvider::Kind::kArbitrary : RootFsProvider::Kind::kUnknown;
  }
  return provider;
}

// True if `key` describes the cell itself, not the instances and tasks on it.
bool read_cell_fact(std::string_view key, const json::value& member, CellState& state) {
  if (same_key(key, "rep_url")) {
    read(member, key, state.rep_url);
  } else if (same_key(key, "cell_id")) {
    read(member, key, state.cell_id);
  } else if (same_key(key, "cell_index")) {
    read(member, key, state.cell_index);
  } else if (same_key(key, "Zone")) {
    read(member, key, state.zone);
  } else if (same_key(key, "Evacuating")) {
    read(member, key, state.evacuating);
  } else if (same_key(key, "VolumeDrivers")) {
    read(member, key, state.volume_drivers);
  } else if (same_key(key, "PlacementTags")) {
    read(member, key, state.placement_tags);
  } else if (same_key(key, "OptionalPlacementTags")) {
    read(member, key, state.optional_placement_tags);
  } else if (same_key(key, "ProxyMemoryAllocationMB")) {
    read(member, key, state.proxy_memory_allocation_mb);
  } else {
    return false;
  }
  return true;
}

void read_state_field(std::string_view key, const json::value& member, CellState& state) {
  if (read_cell_fact(key, member, state)) return;
  if (same_key(key, "RootFSProviders")) {
    return read_object(member, key, [&state](std::string_view scheme, const json::value& provider) {
      state.root_fs_providers.insert_or_assign(std::string(scheme), read_provider(provider, scheme));
    });
  }
  if (same_key(key, "AvailableResources")) return read_resources(member, key, state.available);
  if (same_key(key, "TotalResources")) return read_resources(member, key, state.total);
  if (same_key(key, "LRPs")) return read_list(member, key, state.lrps, read_lrp);
  if (same_key(key, "Tasks")) return read_list(member, key, state.tasks, go_json::read_task);
  if (same_key(key, "StartingContainerCount")) return read(member, key, state.starting_container_count);
}

}  // namespace

std::string to_json(const CellState& state) {
  Writer out;
  out.begin_object();
  out.key("rep_url").text(state.rep_url);
  out.key("cell_id").text(state.cell_id);
  out.key("cell_index").integer(state.cell_index);
  out.key("RootFSProviders").begin_object();
  for (const auto& [scheme, provider] : state.root_fs_providers) write(out.key(scheme), provider);
  out.end_object();
  write(out.key("AvailableResources"), state.available);
  write(out.key("TotalResources"), state.total);
  write(out.key("LRPs"), state.lrps);
  write(out.key("Tasks"), state.tasks);
  out.key("StartingContainerCount").integer(state.starting_container_count);
  out.key("Zone").text(state.zone);
  out.key("Evacuating").flag(state.evacuating);
  go_json::write(out.key("VolumeDrivers"), state.volume_drivers);
  go_json::write(out.key("PlacementTags"), state.placement_tags);
  go_json::write(out.key("OptionalPlacementTags"), state.optional_placement_tags);
  out.key("ProxyMemoryAllocationMB").integer(state.proxy_memory_allocation_mb);
  out.end_object();
  return out.take();
}

std::string to_json(const Work& work) {
  Writer out;
  out.begin_object();
  write(out.key("LRPs"), work.lrps);
  write(out.key("Tasks"), work.tasks);
  if (!work.cell_id.empty()) out.key("cell_id").text(work.cell_id);
  if (!work.rejection_reasons.empty()) {
    out.key("rejection_reasons").begin_object();
    for (const auto& [item, reason] : work.rejection_reasons) out.key(item).text(reason);
    out.end_object();
  }
  out.end_object();
  return out.take();
}

CellState parse_cell_state(std::string_view text) {
  json::monotonic_resource memory;
  const json::value value = go_json::parse(text, go_json::Rest::kIsError, &memory);
  CellState state;
  state.lrps.null_if_empty = state.tasks.null_if_empty = true;  // a missing list is nil, as in Go
  read_object(value, "cell state",
              [&state](std::string_view key, const json::value& member) { read_state_field(key, member, state); });
  return state;
}

Work parse_work(std::string_view text) {
  json::monotonic_resource memory;
  const json::value value = go_json::parse(text, go_json::Rest::kIsIgnored, &memory);
  Work work;
  read_object(value, "work", [&work](std::string_view key, const json::value& member) {
    if (same_key(key, "LRPs")) return read_list(member, key, work.lrps, read_lrp);
    if (same_key(key, "Tasks")) return read_list(member, key, work.tasks, go_json::read_task);
    if (same_key(key, "cell_id")) return read(member, key, work.cell_id);
    if (!same_key(key, "rejection_reasons")) return;
    read_object(member, key, [&work](std::string_view item, const json::value& reason) {
      read(reason, item, work.rejection_reasons[std::string(item)]);
    });
  });
  return work;
}

StackPathMap parse_stack_paths(const std::vector<std::string>& entries) {
  StackPathMap stacks;
  for (const auto& entry : entries) {
    const auto colon = entry.find(':');
    if (colon == std::string::npos) {
      throw std::invalid_argument("Invalid preloaded RootFS value: not of the form 'stack-name:path'");
    }
    if (colon == 0) throw std::invalid_argument("Invalid preloaded RootFS value: blank stack");
    if (colon + 1 == entry.size()) throw std::invalid_argument("Invalid preloaded RootFS value: blank path");
    stacks.insert_or_assign(entry.substr(0, colon), entry.substr(colon + 1));
  }
  return stacks;
}

RootFsProviders root_fs_providers(const StackPathMap& stacks, const std::vector<std::string>& supported_schemes) {
  std::set<std::string, std::less<>> names;
  for (const auto& [name, path] : stacks) names.insert(name);
  RootFsProviders providers;
  for (const auto& scheme : supported_schemes) providers.insert_or_assign(scheme, RootFsProvider::arbitrary());
  providers.insert_or_assign("preloaded", RootFsProvider::fixed_set(names));
  providers.insert_or_assign("preloaded+layer", RootFsProvider::fixed_set(std::move(names)));
  return providers;
}

bool provides(const RootFsProviders& providers, std::string_view root_fs) {
  const auto url = split_go_url(root_fs);
  if (!url) return false;
  const auto provider = providers.find(url->scheme);
  if (provider == providers.end()) return false;
  switch (provider->second.kind) {
    case RootFsProvider::Kind::kArbitrary:
      return true;
    case RootFsProvider::Kind::kFixedSet:
      return provider->second.names.contains(url->opaque);
    case RootFsProvider::Kind::kUnknown:
      return false;
  }
  return false;
}

}  // namespace rivera::models
