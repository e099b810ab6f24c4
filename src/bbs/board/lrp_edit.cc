#include "bbs/board/lrp_edit.h"

#include <algorithm>

namespace rivera::bbs {

LRPEdit::LRPEdit(Records& records, Outcome& outcome, std::string process_guid, std::int32_t index, std::string trace_id)
    : records_(records), outcome_(outcome), process_guid_(std::move(process_guid)), index_(index) {
  mutation_.trace_id = std::move(trace_id);
  mutation_.before = records_.lrps(process_guid_, index_);
}

ActualLRPPtr LRPEdit::replace(const ActualLRPPtr& lrp, models::ActualLRP by) {
  ActualLRPPtr after = replace_silently(lrp, std::move(by));
  transition(lrp, after);
  return after;
}

ActualLRPPtr LRPEdit::replace(const ActualLRPPtr& lrp, models::ActualLRP by, models::ActualLRP published) {
  stored_ = replace_silently(lrp, std::move(by));
  published_ = make_actual_lrp(std::move(published));
  if (published_->wire == stored_->wire) published_ = stored_;
  transition(lrp, published_);
  return stored_;
}

void LRPEdit::remove(const ActualLRPPtr& lrp) {
  swap(lrp, nullptr);
  transition(lrp, nullptr);
}

ActualLRPPtr LRPEdit::replace_silently(const ActualLRPPtr& lrp, models::ActualLRP by) {
  ActualLRPPtr after = make_actual_lrp(std::move(by));
  if (lrp && lrp->lrp.presence() != after->lrp.presence()) {
    swap(lrp, nullptr);
    swap(nullptr, after);
  } else {
    swap(lrp, after);
  }
  return after;
}

void LRPEdit::transition(ActualLRPPtr before, ActualLRPPtr after) {
  mutation_.transitions.push_back({std::move(before), std::move(after)});
}

void LRPEdit::finish() {
  mutation_.after = records_.lrps(process_guid_, index_);
  std::replace(mutation_.after.slots.begin(), mutation_.after.slots.end(), stored_, published_ ? published_ : stored_);
  Events events = events_of(mutation_);
  std::move(events.begin(), events.end(), std::back_inserter(outcome_.events));
}

void LRPEdit::swap(ActualLRPPtr before, ActualLRPPtr after) {
  outcome_.changes.push_back(Swap<ActualLRPRecord>{std::move(before), std::move(after)});
  records_.apply(outcome_.changes.back());
}

void make_unclaimed(models::ActualLRP& lrp, base::Timestamp now) {
  lrp.set_state(std::string(models::kUnclaimed));
  lrp.mutable_actual_lrp_instance_key()->Clear();
  lrp.mutable_actual_lrp_net_info()->Clear();
  lrp.set_since(base::to_unix_nanos(now));
  auto* tag = lrp.mutable_modification_tag();
  tag->set_index(tag->index() + 1);
}

}  // namespace rivera::bbs
