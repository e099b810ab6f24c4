#include "models/placement/auction_json.h"

#include <boost/json/monotonic_resource.hpp>

#include "models/go/go_json.h"
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

void write(Writer& out, const LRPStartRequest& request) {
  out.begin_object();
  out.key("process_guid").text(request.process_guid);
  out.key("domain").text(request.domain);
  out.key("indices");
  if (request.indices.is_null()) {
    out.null();
  } else {
    out.begin_list();
    for (const auto index : request.indices) out.integer(index);
    out.end_list();
  }
  go_json::write_embedded(out, request.placement, request.resource);
  out.end_object();
}

void read_index(const json::value& value, std::int32_t& into) {
  std::int64_t index = 0;
  read(value, "indices", index);
  into = static_cast<std::int32_t>(index);
}

void read_lrp_start(const json::value& value, LRPStartRequest& into) {
  read_object(value, "LRP start request", [&into](std::string_view key, const json::value& member) {
    if (read_embedded(key, member, into.placement, into.resource)) return;
    if (same_key(key, "process_guid")) return read(member, key, into.process_guid);
    if (same_key(key, "domain")) return read(member, key, into.domain);
    if (same_key(key, "indices")) return read_list(member, key, into.indices, read_index);
  });
}

std::optional<std::string> problem_of(const PlacementConstraint& placement, const ContainerResource& resource) {
  if (placement.root_fs.empty()) return "resource request has empty rootfs";
  if (resource.memory_mb < 0) return "negative memory";
  if (resource.disk_mb < 0) return "negative disk";
  return std::nullopt;
}

void write(Writer& out, const ContainerMetrics& metrics) {
  out.key("metric_guid").text(metrics.metric_guid);
  out.key("cpu_usage_fraction").number(metrics.cpu_usage_fraction);
  out.key("disk_usage_bytes").natural(metrics.disk_usage_bytes);
  out.key("disk_quota_bytes").natural(metrics.disk_quota_bytes);
  out.key("memory_usage_bytes").natural(metrics.memory_usage_bytes);
  out.key("memory_quota_bytes").natural(metrics.memory_quota_bytes);
  if (metrics.rx_bytes) out.key("rx_bytes").natural(*metrics.rx_bytes);
  if (metrics.tx_bytes) out.key("tx_bytes").natural(*metrics.tx_bytes);
}

void read_optional(const json::value& value, std::string_view key, std::optional<std::uint64_t>& into) {
  if (!value.is_null()) read(value, key, into.emplace());
}

void read_metric(std::string_view key, const json::value& member, ContainerMetrics& into) {
  if (same_key(key, "metric_guid")) return read(member, key, into.metric_guid);
  if (same_key(key, "cpu_usage_fraction")) return read(member, key, into.cpu_usage_fraction);
  if (same_key(key, "disk_usage_bytes")) return read(member, key, into.disk_usage_bytes);
  if (same_key(key, "disk_quota_bytes")) return read(member, key, into.disk_quota_bytes);
  if (same_key(key, "memory_usage_bytes")) return read(member, key, into.memory_usage_bytes);
  if (same_key(key, "memory_quota_bytes")) return read(member, key, into.memory_quota_bytes);
  if (same_key(key, "rx_bytes")) return read_optional(member, key, into.rx_bytes);
  if (same_key(key, "tx_bytes")) return read_optional(member, key, into.tx_bytes);
}

void read_lrp_metrics(const json::value& value, LRPMetrics& into) {
  read_object(value, "lrps", [&into](std::string_view key, const json::value& member) {
    if (same_key(key, "instance_guid")) return read(member, key, into.instance_guid);
    if (same_key(key, "process_guid")) return read(member, key, into.process_guid);
    if (same_key(key, "index")) return read(member, key, into.index);
    read_metric(key, member, into.metrics);
  });
}

void read_task_metrics(const json::value& value, TaskMetrics& into) {
  read_object(value, "tasks", [&into](std::string_view key, const json::value& member) {
    if (same_key(key, "task_guid")) return read(member, key, into.task_guid);
    read_metric(key, member, into.metrics);
  });
}

void read_routes(const json::value& value, std::string_view key, std::optional<std::vector<std::string>>& into) {
  if (value.is_null()) return into.reset();
  NullableList<std::string> routes;
  read_list(value, key, routes, [](const json::value& element, std::string& host) {
    read_object(element, "internal_routes", [&host](std::string_view name, const json::value& member) {
      if (same_key(name, "hostname")) read(member, name, host);
    });
  });
  into = std::move(routes);
}

void read_tags(const json::value& value, std::string_view key,
               std::optional<std::map<std::string, std::string>>& into) {
  if (value.is_null()) return into.reset();
  into.emplace();
  read_object(value, key, [&into](std::string_view name, const json::value& member) {
    read(member, name, (*into)[std::string(name)]);
  });
}

template <typename Request>
std::string list_to_json(const std::vector<Request>& requests, void (*write_one)(Writer&, const Request&)) {
  Writer out;
  out.begin_list();
  for (const auto& request : requests) write_one(out, request);
  out.end_list();
  return out.take();
}

template <typename Request>
std::vector<Request> parse_list(std::string_view text, void (*read_one)(const json::value&, Request&)) {
  json::monotonic_resource memory;
  const json::value value = go_json::parse(text, go_json::Rest::kIsError, &memory);
  NullableList<Request> requests;
  read_list(value, "body", requests, read_one);
  return std::move(static_cast<std::vector<Request>&>(requests));
}

}  // namespace

std::optional<std::string> problem_of(const LRPStartRequest& request) {
  if (request.process_guid.empty()) return "proccess guid is empty";
  if (request.domain.empty()) return "domain is empty";
  if (request.indices.empty()) return "indices must not be empty";
  return problem_of(request.placement, request.resource);
}

std::optional<std::string> problem_of(const TaskStartRequest& request) {
  if (request.task.task_guid.empty()) return "task guid is empty";
  return problem_of(request.task.placement, request.task.resource);
}

std::string to_json(const std::vector<LRPStartRequest>& requests) {
  return list_to_json<LRPStartRequest>(requests, write);
}

std::string to_json(const std::vector<TaskStartRequest>& requests) {
  return list_to_json<TaskStartRequest>(
      requests, [](Writer& out, const TaskStartRequest& request) { go_json::write_task(out, request.task); });
}

std::vector<LRPStartRequest> parse_lrp_start_requests(std::string_view text) {
  return parse_list<LRPStartRequest>(text, read_lrp_start);
}

std::vector<TaskStartRequest> parse_task_start_requests(std::string_view text) {
  return parse_list<TaskStartRequest>(
      text, [](const json::value& value, TaskStartRequest& into) { go_json::read_task(value, into.task); });
}

std::string to_json(const LRPUpdate& update) {
  Writer out;
  out.begin_object();
  out.key("instance_guid").text(update.instance_guid);
  out.key("process_guid").text(update.process_guid);
  out.key("index").integer(update.index);
  out.key("domain").text(update.domain);
  out.key("internal_routes");
  if (update.internal_routes) {
    out.begin_list();
    for (const auto& host : *update.internal_routes) out.begin_object().key("hostname").text(host).end_object();
    out.end_list();
  } else {
    out.null();
  }
  out.key("metric_tags");
  if (update.metric_tags) {
    out.begin_object();
    for (const auto& [name, value] : *update.metric_tags) out.key(name).text(value);
    out.end_object();
  } else {
    out.null();
  }
  out.end_object();
  return out.take();
}

LRPUpdate parse_lrp_update(std::string_view text) {
  json::monotonic_resource memory;
  const json::value value = go_json::parse(text, go_json::Rest::kIsIgnored, &memory);
  LRPUpdate update;
  read_object(value, "LRP update", [&update](std::string_view key, const json::value& member) {
    if (same_key(key, "instance_guid")) return read(member, key, update.instance_guid);
    if (same_key(key, "process_guid")) return read(member, key, update.process_guid);
    if (same_key(key, "index")) return read(member, key, update.index);
    if (same_key(key, "domain")) return read(member, key, update.domain);
    if (same_key(key, "internal_routes")) return read_routes(member, key, update.internal_routes);
    if (same_key(key, "metric_tags")) return read_tags(member, key, update.metric_tags);
  });
  return update;
}

std::string to_json(const ContainerMetricsCollection& collection) {
  Writer out;
  out.begin_object();
  out.key("cell_id").text(collection.cell_id);
  out.key("lrps").begin_list();
  for (const auto& lrp : collection.lrps) {
    out.begin_object();
    out.key("instance_guid").text(lrp.instance_guid);
    out.key("process_guid").text(lrp.process_guid);
    out.key("index").integer(lrp.index);
    write(out, lrp.metrics);
    out.end_object();
  }
  out.end_list();
  out.key("tasks").begin_list();
  for (const auto& task : collection.tasks) {
    out.begin_object();
    out.key("task_guid").text(task.task_guid);
    write(out, task.metrics);
    out.end_object();
  }
  out.end_list();
  out.end_object();
  return out.take();
}

ContainerMetricsCollection parse_container_metrics(std::string_view text) {
  json::monotonic_resource memory;
  const json::value value = go_json::parse(text, go_json::Rest::kIsError, &memory);
  ContainerMetricsCollection collection;
  NullableList<LRPMetrics> lrps;
  NullableList<TaskMetrics> tasks;
  read_object(value, "container metrics", [&](std::string_view key, const json::value& member) {
    if (same_key(key, "cell_id")) return read(member, key, collection.cell_id);
    if (same_key(key, "lrps")) return read_list(member, key, lrps, read_lrp_metrics);
    if (same_key(key, "tasks")) return read_list(member, key, tasks, read_task_metrics);
  });
  collection.lrps = std::move(lrps);
  collection.tasks = std::move(tasks);
  return collection;
}

}  // namespace rivera::models
