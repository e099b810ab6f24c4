// An event: one change of a record, and its form on each stream (docs/spec/bbs.md §3).
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "bbs/records/record.h"

namespace rivera::bbs {

// The four sources that streams draw from.
enum class Hub { kDesired, kGroup, kInstance, kTask };
inline constexpr std::size_t kHubs = 4;

// The forms a stream may want: r1 routes carry definitions as stored, r0 routes down-converted ones (§2.14).
enum class EventForm { kCurrent, kR0 };

// An absent `before` is a creation, an absent `after` a removal.
struct DesiredLRPEvent {
  DesiredLRPPtr before, after;
  std::string trace_id;
};
struct InstanceEvent {
  ActualLRPPtr before, after;
  std::string trace_id;
};
struct TaskEvent {
  TaskPtr before, after;
};
// What a group shows of one index: the ordinary or suspect LRP, and the evacuating one.
struct Group {
  ActualLRPPtr instance, evacuating;
  // The LRP a client would look at (§3.5).
  const ActualLRPPtr& resolved() const;
  bool empty() const { return !instance && !evacuating; }
};
struct GroupEvent {
  Group before, after;
};
struct CrashEvent {
  ActualLRPPtr before, after;
};

struct Event {
  Hub hub;
  std::variant<DesiredLRPEvent, InstanceEvent, GroupEvent, CrashEvent, TaskEvent> what;
};
using Events = std::vector<Event>;

// The SSE event name, "actual_lrp_instance_changed" (§3.2).
std::string_view name_of(const Event& event);
// The encoded protobuf message.
std::string encode(const Event& event, EventForm form);

}  // namespace rivera::bbs
