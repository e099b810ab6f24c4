// Instances of long-running processes: their keys, their states, and the rules that depend on the record alone
// (docs/spec/bbs.md §2.2, §3.8, §4.4, §4.5).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "actual_lrp.pb.h"
#include "events.pb.h"
#include "metric_tags.pb.h"

namespace rivera::models {

inline constexpr std::string_view kUnclaimed = "UNCLAIMED";
inline constexpr std::string_view kClaimed = "CLAIMED";
inline constexpr std::string_view kRunning = "RUNNING";
inline constexpr std::string_view kCrashed = "CRASHED";

// Identity of one index of a process, whatever its presence. Ordered and hashable.
struct LRPIndex {
  std::string process_guid;
  std::int32_t index = 0;

  auto operator<=>(const LRPIndex&) const = default;
  bool operator==(const LRPIndex&) const = default;
};

// Identity of a record: at most one for each (process guid, index, presence). Ordered and hashable.
struct LRPSlot {
  std::string process_guid;
  std::int32_t index = 0;
  ActualLRP::Presence presence = ActualLRP::ORDINARY;

  auto operator<=>(const LRPSlot&) const = default;
  bool operator==(const LRPSlot&) const = default;
};

LRPIndex index_of(const ActualLRPKey& key);
LRPIndex index_of(const ActualLRP& lrp);
LRPSlot slot_of(const ActualLRP& lrp);

ActualLRPKey actual_lrp_key(std::string_view process_guid, std::int32_t index, std::string_view domain);
ActualLRPInstanceKey actual_lrp_instance_key(std::string_view instance_guid, std::string_view cell_id);

bool is_empty(const ActualLRPInstanceKey& key);
bool operator==(const ActualLRPKey& a, const ActualLRPKey& b);
bool operator==(const ActualLRPInstanceKey& a, const ActualLRPInstanceKey& b);
bool operator==(const ModificationTag& a, const ModificationTag& b);
bool operator==(const PortMapping& a, const PortMapping& b);
bool operator==(const ActualLRPNetInfo& a, const ActualLRPNetInfo& b);
bool operator==(const ActualLRPInternalRoute& a, const ActualLRPInternalRoute& b);
// Every field, the modification tag included.
bool operator==(const ActualLRP& a, const ActualLRP& b);

// True if `candidate` is newer than `current`: another epoch, or a higher index. A tag without an epoch is replaced by
// any, and replaces any.
bool is_newer(const ModificationTag& candidate, const ModificationTag& current);

// True if CLAIMED or RUNNING.
bool is_on_a_cell(const ActualLRP& lrp);

// A new UNCLAIMED record: tag {epoch, 0}, routable present and false (docs/spec/bbs.md §4.4). `since` in ns since the
// epoch.
ActualLRP unclaimed_actual_lrp(const ActualLRPKey& key, std::int64_t since, std::string epoch);

// Whether a record in state `from`, held by `from_key`, may get the state `to` with `to_key` (the table of
// docs/spec/bbs.md §4.4). `key` is the caller's: it must equal the record's, domain included. When a CRASHED one may be
// UNCLAIMED again: see restart_due().
bool transition_allowed(const ActualLRP& from, const ActualLRPKey& key, const ActualLRPInstanceKey& to_key,
                        std::string_view to_state);

// The crash rule (docs/spec/bbs.md §4.5): the count after a crash, and whether the instance restarts at once.
std::int32_t crash_count_after(const ActualLRP& lrp, std::int64_t now_ns);
bool restarts_at_once(std::int32_t crash_count);
// How long a CRASHED instance waits; a negative value means without end.
std::chrono::nanoseconds restart_delay(std::int32_t crash_count);
// `since` and `now` in ns since the epoch.
bool restart_due(std::int32_t crash_count, std::int64_t since_ns, std::int64_t now_ns);

// One index in the form of the deprecated calls (docs/spec/bbs.md §3.8): the evacuating record beside the ordinary or
// suspect one, whichever has priority. `records` have the same process guid and index; an empty list gives an empty
// group.
ActualLRPGroup fold(const std::vector<const ActualLRP*>& records);
// The record that represents the group; nullptr if it is empty (docs/spec/bbs.md §3.5). `is_evacuating` may be null.
const ActualLRP* resolve(const ActualLRPGroup& group, bool* is_evacuating = nullptr);

// The part of a record that changed events carry for before and after.
ActualLRPInfo info_of(const ActualLRP& lrp);
// The record that keys and an info describe. Internal routes and metric tags are not in an info.
ActualLRP with_info(const ActualLRPKey& key, const ActualLRPInstanceKey& instance, const ActualLRPInfo& info);

// Tags of one instance: static texts, INDEX as a decimal number, INSTANCE_GUID as the guid. Ordered by name. A dynamic
// value of an unknown kind drops its tag (docs/spec/cell.md §1.13).
std::map<std::string, std::string> evaluated_tags(const google::protobuf::Map<std::string, MetricTagValue>& tags,
                                                  std::int32_t index, std::string_view instance_guid);

// Error texts as they are stored (docs/spec/bbs.md §6.2): up to 1,023 bytes unchanged, else cut at a character boundary
// and marked "(truncated)".
std::string truncated_for_storage(std::string_view text);

}  // namespace rivera::models

template <>
struct std::hash<rivera::models::LRPIndex> {
  std::size_t operator()(const rivera::models::LRPIndex& key) const noexcept {
    return std::hash<std::string>()(key.process_guid) * 31 + static_cast<std::size_t>(key.index);
  }
};

template <>
struct std::hash<rivera::models::LRPSlot> {
  std::size_t operator()(const rivera::models::LRPSlot& key) const noexcept {
    return (std::hash<std::string>()(key.process_guid) * 31 + static_cast<std::size_t>(key.index)) * 4 +
           static_cast<std::size_t>(key.presence);
  }
};
