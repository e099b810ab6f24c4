// One mutation of the LRPs of one process guid and index: the primitive steps of every rule.
#pragma once

#include <string>

#include "base/clock.h"
#include "bbs/board/outcome.h"
#include "bbs/events/lrp_events.h"

namespace rivera::bbs {

// Applies changes to the records and collects them in an outcome; finish() adds the events of all of them as one
// mutation. Lives on the stack of a Board operation.
class LRPEdit {
 public:
  LRPEdit(Records& records, Outcome& outcome, std::string process_guid, std::int32_t index, std::string trace_id = "");

  const LRPSet& before() const { return mutation_.before; }

  // Replaces `lrp` by a record that may have another presence, with the events for instance streams.
  ActualLRPPtr replace(const ActualLRPPtr& lrp, models::ActualLRP by);
  // The same, for events that carry more than is stored (texts truncated for storage, docs/spec/bbs.md §3.6).
  ActualLRPPtr replace(const ActualLRPPtr& lrp, models::ActualLRP by, models::ActualLRP published);
  ActualLRPPtr create(models::ActualLRP lrp) { return replace(nullptr, std::move(lrp)); }
  void remove(const ActualLRPPtr& lrp);
  // Replaces without events for instance streams; the caller adds them with transition().
  ActualLRPPtr replace_silently(const ActualLRPPtr& lrp, models::ActualLRP by);
  void drop_silently(const ActualLRPPtr& lrp) { swap(lrp, nullptr); }
  void transition(ActualLRPPtr before, ActualLRPPtr after);
  void mark_as_crash_call() { mutation_.is_crash_call = true; }

  void finish();

 private:
  void swap(ActualLRPPtr before, ActualLRPPtr after);

  Records& records_;
  Outcome& outcome_;
  std::string process_guid_;
  std::int32_t index_;
  LRPMutation mutation_;
  ActualLRPPtr stored_, published_;  // where they differ
};

// Makes the instance UNCLAIMED as of `now`. Keeps routable, zone, internal routes, tags and placement error
// (docs/spec/bbs.md §4.4).
void make_unclaimed(models::ActualLRP& lrp, base::Timestamp now);

}  // namespace rivera::bbs
