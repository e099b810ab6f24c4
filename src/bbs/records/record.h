// What the BBS keeps: immutable snapshots of records, each with the bytes that lists answer with.
//
// A record is made once per change and is immutable afterwards, so any thread may read it. The bytes beside the message
// are derived from it (docs/architecture.md, decision 3). They come first, on the cache line of the reference count,
// because a list reads nothing else.
//
// A message takes some four times the memory of its bytes. So the message in a record is without the parts that are
// large and rarely asked for: these are in the bytes alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/models.h"
#include "models/nouns/actual_lrp.h"
#include "models/nouns/desired_lrp.h"
#include "models/nouns/task.h"

namespace rivera::bbs {

struct ActualLRPRecord {
  std::string wire;       // equal for equal actual LRPs
  models::ActualLRP lrp;  // without the net info and the metric tags

  // The whole actual LRP. Decodes it: some microseconds.
  models::ActualLRP whole() const;

  // The parts that `lrp` is without, as views of `wire`: the encoded net info, and names and values of the metric tags.
  using MetricTags = std::vector<std::pair<std::string_view, std::string_view>>;
  std::string_view net_info() const;
  MetricTags metric_tags() const;
};
using ActualLRPPtr = std::shared_ptr<const ActualLRPRecord>;

struct DesiredLRPRecord {
  std::string wire;             // the r3 form of reads, metrics_guid derived (docs/spec/bbs.md §2.13)
  std::string scheduling_info;  // an encoded DesiredLRPSchedulingInfo
  // Without the routes, and without the definition that only cells need: the environment, the actions and checks,
  // egress rules, dependencies, image layers, sidecars, files, network and certificate properties.
  models::DesiredLRP lrp;
  bool has_image_layers = false;
  std::int64_t created_at = 0;              // Unix nanoseconds
  std::string routing_info;                 // an encoded DesiredLRP with the routing fields only
  std::vector<std::string> internal_hosts;  // the internal routes, in order

  // The whole desired LRP, as stored and as events carry it. Decodes it: some microseconds.
  models::DesiredLRP whole() const;
};
using DesiredLRPPtr = std::shared_ptr<const DesiredLRPRecord>;

struct TaskRecord {
  std::string wire;
  models::Task task;
};
using TaskPtr = std::shared_ptr<const TaskRecord>;

struct DomainRecord {
  std::string name;
  std::int64_t expires_at = 0;  // Unix nanoseconds; the greatest value means never
};
using DomainPtr = std::shared_ptr<const DomainRecord>;

ActualLRPPtr make_actual_lrp(models::ActualLRP lrp);
// `lrp` in the form of models::as_stored().
DesiredLRPPtr make_desired_lrp(models::DesiredLRP lrp, std::int64_t created_at);
TaskPtr make_task(models::Task task);
DomainPtr make_domain(std::string name, std::int64_t expires_at);

// The names by which rules ask for parts of a record.
inline const std::string& process_guid(const ActualLRPRecord& r) { return r.lrp.actual_lrp_key().process_guid(); }
inline std::int32_t instance_index(const ActualLRPRecord& r) { return r.lrp.actual_lrp_key().index(); }
inline const std::string& cell_id(const ActualLRPRecord& r) { return r.lrp.actual_lrp_instance_key().cell_id(); }
inline bool is_in_state(const ActualLRPRecord& r, std::string_view state) { return r.lrp.state() == state; }
inline bool is_on_a_cell(const ActualLRPRecord& r) { return models::is_on_a_cell(r.lrp); }
inline bool has_key(const ActualLRPRecord& r, const models::ActualLRPInstanceKey& key) {
  return r.lrp.actual_lrp_instance_key() == key;
}

}  // namespace rivera::bbs
