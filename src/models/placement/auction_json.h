// The other JSON bodies of the auction: start requests to the auctioneer, updates to a rep, a cell's metrics
// (docs/spec/locket-and-auction.md §2.2, §3.5, §3.6). Plain values; encoding and decoding as in cell_state.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/placement/cell_state.h"

namespace rivera::models {

// "Start these instances of this process."
struct LRPStartRequest {
  std::string process_guid;
  std::string domain;
  NullableList<std::int32_t> indices;  // on the wire up to 64 bits; cut to 32 when decoded, as upstream does later
  PlacementConstraint placement;
  ContainerResource resource;

  bool operator==(const LRPStartRequest&) const = default;
};

// "Start this task."
struct TaskStartRequest {
  CellTask task;

  bool operator==(const TaskStartRequest&) const = default;
};

// The reason why upstream drops the request ("proccess guid is empty"); nullopt if it is valid.
std::optional<std::string> problem_of(const LRPStartRequest& request);
std::optional<std::string> problem_of(const TaskStartRequest& request);

// JSON lists.
std::string to_json(const std::vector<LRPStartRequest>& requests);
std::string to_json(const std::vector<TaskStartRequest>& requests);
// `null` is an empty list. Throw JsonError on everything except a list of such objects, and on text after it.
std::vector<LRPStartRequest> parse_lrp_start_requests(std::string_view json);
std::vector<TaskStartRequest> parse_task_start_requests(std::string_view json);

// PUT /v2/lrps/:process_guid/instances/:instance_guid. Absent means "leave as it is", empty means "set to empty".
struct LRPUpdate {
  std::string instance_guid;
  std::string process_guid;
  std::int32_t index = 0;
  std::string domain;
  std::optional<std::vector<std::string>> internal_routes;  // host names
  std::optional<std::map<std::string, std::string>> metric_tags;

  bool operator==(const LRPUpdate&) const = default;
};

std::string to_json(const LRPUpdate& update);
LRPUpdate parse_lrp_update(std::string_view json);  // throws JsonError; text after the value is ignored

// GET /container_metrics.
struct ContainerMetrics {
  std::string metric_guid;
  double cpu_usage_fraction = 0;
  std::uint64_t disk_usage_bytes = 0;
  std::uint64_t disk_quota_bytes = 0;
  std::uint64_t memory_usage_bytes = 0;
  std::uint64_t memory_quota_bytes = 0;
  std::optional<std::uint64_t> rx_bytes;  // left out when unknown
  std::optional<std::uint64_t> tx_bytes;

  bool operator==(const ContainerMetrics&) const = default;
};

struct LRPMetrics {
  std::string instance_guid;
  std::string process_guid;
  std::int32_t index = 0;
  ContainerMetrics metrics;

  bool operator==(const LRPMetrics&) const = default;
};

struct TaskMetrics {
  std::string task_guid;
  ContainerMetrics metrics;

  bool operator==(const TaskMetrics&) const = default;
};

struct ContainerMetricsCollection {
  std::string cell_id;
  std::vector<LRPMetrics> lrps;
  std::vector<TaskMetrics> tasks;

  bool operator==(const ContainerMetricsCollection&) const = default;
};

std::string to_json(const ContainerMetricsCollection& collection);
ContainerMetricsCollection parse_container_metrics(std::string_view json);  // throws JsonError

}  // namespace rivera::models
