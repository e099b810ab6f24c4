#include "bbs/events/lrp_events.h"

#include <algorithm>

namespace rivera::bbs {
namespace {

// Crashes first, then what makes an instance reachable, then the rest: a new running instance is announced before the
// old one is removed (§3.7).
int score_of(const Event& event) {
  if (std::holds_alternative<CrashEvent>(event.what)) return 2;
  ActualLRPPtr result;
  if (const auto* instance = std::get_if<InstanceEvent>(&event.what)) result = instance->after;
  if (const auto* group = std::get_if<GroupEvent>(&event.what)) result = group->after.resolved();
  return result && is_in_state(*result, "RUNNING") ? 1 : 0;
}

void sort_by_score(Events& events) {
  std::stable_sort(events.begin(), events.end(),
                   [](const Event& a, const Event& b) { return score_of(a) > score_of(b); });
}

class InstanceEvents {
 public:
  explicit InstanceEvents(const LRPMutation& mutation) : mutation_(mutation) {
    for (const Transition& t : mutation.transitions) add(t);
    sort_by_score(events_);
  }
  Events take() { return std::move(events_); }

 private:
  void add(const Transition& t) {
    if (!t.before && !t.after) return;
    if (!t.before || !t.after) return add_event(t.before, t.after);
    if (t.before == t.after || t.before->wire == t.after->wire) return;
    const bool unclaimed = is_in_state(*t.after, "UNCLAIMED");
    const bool crashed = is_in_state(*t.after, "CRASHED");
    if (crashed || mutation_.is_crash_call) events_.push_back({Hub::kInstance, CrashEvent{t.before, t.after}});
    if (unclaimed && !is_in_state(*t.before, "UNCLAIMED")) {
      add_event(nullptr, t.after);
      add_event(t.before, nullptr);
    } else {
      add_event(t.before, t.after);
    }
  }

  void add_event(const ActualLRPPtr& before, const ActualLRPPtr& after) {
    events_.push_back({Hub::kInstance, InstanceEvent{before, after, mutation_.trace_id}});
  }

  const LRPMutation& mutation_;
  Events events_;
};

// A change of presence alone (an LRP becoming suspect or ordinary again) is no group event; an equal modification tag
// shows that it is the same row.
bool shows_the_same(const ActualLRPPtr& a, const ActualLRPPtr& b) {
  if (!a || !b || a == b) return a == b;
  if (a->wire == b->wire) return true;
  return a->lrp.presence() != b->lrp.presence() && a->lrp.modification_tag() == b->lrp.modification_tag() &&
         a->lrp.state() == b->lrp.state() && a->lrp.since() == b->lrp.since();
}

bool is_another_instance(const ActualLRPRecord& before, const ActualLRPRecord& after) {
  const auto& key = before.lrp.actual_lrp_instance_key();
  return !models::is_empty(key) && !has_key(after, key);
}

class GroupEvents {
 public:
  explicit GroupEvents(const LRPMutation& mutation)
      : before_(fold(mutation.before)), after_(fold(mutation.after)), is_crash_call_(mutation.is_crash_call) {
    add(&Group::instance);
    add(&Group::evacuating);
    sort_by_score(events_);
  }
  Events take() { return std::move(events_); }

 private:
  using Slot = ActualLRPPtr Group::*;

  void add(Slot slot) {
    const ActualLRPPtr& before = before_.*slot;
    const ActualLRPPtr& after = after_.*slot;
    if (slot == &Group::instance ? shows_the_same(before, after) : before == after) return;
    if (!before || !after) return add_event(slot, before, after);
    if (is_crash_call_) {
      events_.push_back({Hub::kGroup, CrashEvent{before, after}});
      events_.push_back({Hub::kGroup, GroupEvent{before_, after_}});
      return;
    }
    if (is_in_state(*after, "CRASHED")) events_.push_back({Hub::kGroup, CrashEvent{before, after}});
    if (is_on_a_cell(*after) && is_another_instance(*before, *after)) {
      add_event(slot, nullptr, after);
      add_event(slot, before, nullptr);
    } else {
      add_event(slot, before, after);
    }
  }

  void add_event(Slot slot, const ActualLRPPtr& before, const ActualLRPPtr& after) {
    GroupEvent event;
    event.before.*slot = before;
    event.after.*slot = after;
    events_.push_back({Hub::kGroup, std::move(event)});
  }

  Group before_, after_;
  bool is_crash_call_;
  Events events_;
};

}  // namespace

Group fold(const LRPSet& lrps) {
  const bool suspect_shows = lrps.suspect() && !(lrps.ordinary() && is_in_state(*lrps.ordinary(), "RUNNING"));
  return Group{suspect_shows ? lrps.suspect() : lrps.ordinary(), lrps.evacuating()};
}

Events events_of(const LRPMutation& mutation) {
  Events events = GroupEvents(mutation).take();
  Events instance_events = InstanceEvents(mutation).take();
  std::move(instance_events.begin(), instance_events.end(), std::back_inserter(events));
  return events;
}

}  // namespace rivera::bbs
