// One mutation of the LRPs of one process guid and index: the steps that every rule is made of.
#pragma once

#include <string>

#include "base/clock.h"
#include "bbs/board/outcome.h"
#include "bbs/events/lrp_events.h"

namespace rivera::bbs {

// Collects changes into an outcome while it carries them out on the records; finish() adds the events of all of them as
// one mutation. Made on the stack of a Board operation.
class LRPEdit {
 public:
  LRPEdit(Records& records, Outcome& outcome, std::string process_guid, std::int32_t index, std::string trace_id = "");

  const LRPSet& before() const { return mutation_.before; }

  // The record that takes the place of `lrp`; they may differ in presence. Instance streams are told so.
  ActualLRPPtr replace(const ActualLRPPtr& lrp, models::ActualLRP by);
  // The same where the events tell more than is stored (texts that are cut for storage, docs/spec/bbs.md §3.6).
  ActualLRPPtr replace(const ActualLRPPtr& lrp, models::ActualLRP by, models::ActualLRP told);
  ActualLRPPtr create(models::ActualLRP lrp) { return replace(nullptr, std::move(lrp)); }
  void remove(const ActualLRPPtr& lrp);
  // Replaces without a word to instance streams; the caller tells with transition().
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
  ActualLRPPtr stored_, told_;  // where they differ
};

// Takes the instance away from its cell: UNCLAIMED from `now` on. Routable, zone, internal routes, tags and placement
// error stay (docs/spec/bbs.md §4.4).
void make_unclaimed(models::ActualLRP& lrp, base::Timestamp now);

}  // namespace rivera::bbs
