// Desired long-running processes: derived forms, routes and tags (docs/spec/bbs.md §2.3, §2.13,
// §2.14).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "desired_lrp.pb.h"
#include "task.pb.h"

namespace rivera::models {

// The entry of a process's routes that names its internal host names.
inline constexpr std::string_view kInternalRouter = "internal-router";

// The version of a definition that a reader expects (docs/spec/bbs.md §2.14). Stored definitions are V3.
enum class DefinitionVersion { kV0, kV2, kV3 };

// The part the scheduler needs. volume_placement is present, and has the driver of each mount in order.
DesiredLRPSchedulingInfo scheduling_info_of(const DesiredLRP& lrp);
// The part the route emitter needs: guid, domain, log guid, instances, routes, modification tag, metric tags. Routes
// and modification tag are present.
DesiredLRP routing_info_of(const DesiredLRP& lrp);
// The stored form of the rest (docs/spec/bbs.md §6.2). `created_at` in ns since the epoch. Metric tags are left out:
// they have a column of their own.
DesiredLRPRunInfo run_info_of(const DesiredLRP& lrp, std::int64_t created_at);
// The reverse: the record that its stored parts describe. Metric tags and update strategy come from elsewhere.
DesiredLRP desired_lrp_of(const DesiredLRPSchedulingInfo& info, const DesiredLRPRunInfo& run_info);

// A request as the store keeps it: modification tag and routes present, ports without duplicates, the deprecated
// start timeout dropped, route entries compacted (docs/spec/bbs.md §2.3, §4.9, §6.2). Throws ModelError
// InvalidRequest if a route entry is not JSON.
DesiredLRP as_stored(DesiredLRP request, std::string epoch);

// Applies `update` and increments the modification tag (docs/spec/bbs.md §4.3). Throws as as_stored() does.
void apply_update(DesiredLRP& lrp, const DesiredLRPUpdate& update);

// The record as the two reads of desired LRPs return it: metrics_guid and the tag source_id complete each other
// (docs/spec/bbs.md §2.13).
void derive_metrics_guid(DesiredLRP& lrp);

// Turns a V3 definition into an older form. Nothing is done for kV3.
void down_convert(DesiredLRP& lrp, DefinitionVersion version);
// For kV0 too it gives V2: a task has no older form.
void down_convert(TaskDefinition& definition, DefinitionVersion version);

// The text of an entry of the routes; nullopt if there is none.
std::optional<std::string_view> route_entry(const DesiredLRP& lrp, std::string_view name);

// The host names in the entry "internal-router" ([{"hostname": "..."}]), empty if it is absent or not of that form.
std::vector<std::string> internal_routes(const DesiredLRP& lrp);
std::vector<std::string> internal_routes(const ProtoRoutes& routes);
bool has_internal_routes_entry(const ProtoRoutes& routes);
// True if the reps must be notified of new internal routes (docs/spec/bbs.md §4.3 "Updating instances"): compares the
// entries as bytes. False if neither has the entry.
bool internal_routes_differ(const ProtoRoutes& before, const ProtoRoutes& after);

bool metric_tags_equal(const google::protobuf::Map<std::string, MetricTagValue>& a,
                       const google::protobuf::Map<std::string, MetricTagValue>& b);

// A JSON text without white space between tokens, escaped as Go does (docs/spec/bbs.md §6.2); nullopt if it is not
// JSON.
std::optional<std::string> compacted_json(std::string_view text);

}  // namespace rivera::models
