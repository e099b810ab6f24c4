// Which events a mutation of actual LRPs causes (docs/spec/bbs.md §3.6 to §3.8). Pure.
#pragma once

#include <string>
#include <vector>

#include "bbs/events/event.h"
#include "bbs/records/records.h"

namespace rivera::bbs {

// One LRP before and after a change. An absent `before` is a creation, an absent `after` a removal.
struct Transition {
  ActualLRPPtr before, after;
};

// One mutation of one process guid and index.
struct LRPMutation {
  std::vector<Transition> transitions;  // what instance streams send, in order
  LRPSet before, after;                 // the whole index, from which group events are made
  bool is_crash_call = false;           // a Crash of an ordinary LRP is an event even if it restarts at once
  std::string trace_id;
};

// In the order in which each hub sends them.
Events events_of(const LRPMutation& mutation);

// Evacuating LRPs in their slot; of ordinary and suspect, the suspect unless the ordinary one is RUNNING.
Group fold(const LRPSet& lrps);

}  // namespace rivera::bbs
