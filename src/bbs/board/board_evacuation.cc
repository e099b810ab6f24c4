#include "bbs/board/board.h"
#include "bbs/board/lrp_edit.h"

namespace rivera::bbs {
namespace {

bool is_ordinary(const ActualLRPRecord& r) { return r.lrp.presence() == models::ActualLRP::ORDINARY; }
bool is_evacuating(const ActualLRPRecord& r) { return r.lrp.presence() == models::ActualLRP::EVACUATING; }

// The evacuating copy of a running LRP, a record of its own, with no crashes.
models::ActualLRP evacuating_twin(const models::ActualLRP& of, std::string epoch, base::Timestamp now) {
  models::ActualLRP twin;
  *twin.mutable_actual_lrp_key() = of.actual_lrp_key();
  *twin.mutable_actual_lrp_instance_key() = of.actual_lrp_instance_key();
  *twin.mutable_actual_lrp_net_info() = of.actual_lrp_net_info();
  *twin.mutable_actual_lrp_internal_routes() = of.actual_lrp_internal_routes();
  *twin.mutable_metric_tags() = of.metric_tags();
  twin.set_routable(of.routable());
  twin.set_availability_zone(of.availability_zone());
  twin.set_state(std::string(models::kRunning));
  twin.set_presence(models::ActualLRP::EVACUATING);
  twin.set_since(base::to_unix_nanos(now));
  twin.mutable_modification_tag()->set_epoch(std::move(epoch));
  return twin;
}

models::ActualLRP evacuating_from(const models::EvacuateRunningActualLRPRequest& request, std::string epoch,
                                  base::Timestamp now) {
  models::ActualLRP lrp;
  *lrp.mutable_actual_lrp_key() = request.actual_lrp_key();
  *lrp.mutable_actual_lrp_instance_key() = request.actual_lrp_instance_key();
  *lrp.mutable_actual_lrp_net_info() = request.actual_lrp_net_info();
  *lrp.mutable_actual_lrp_internal_routes() = request.actual_lrp_internal_routes();
  *lrp.mutable_metric_tags() = request.metric_tags();
  const bool given = request.optional_routable_case() == models::EvacuateRunningActualLRPRequest::kRoutable;
  lrp.set_routable(given ? request.routable() : true);
  lrp.set_availability_zone(request.availability_zone());
  return evacuating_twin(lrp, std::move(epoch), now);
}

// An update of an evacuating record keeps its epoch and increments its index.
void continue_tag(models::ActualLRP& lrp, const models::ActualLRP& before) {
  *lrp.mutable_modification_tag() = before.modification_tag();
  lrp.mutable_modification_tag()->set_index(before.modification_tag().index() + 1);
}

}  // namespace

Outcome Board::evacuate_claimed(const models::EvacuateClaimedActualLRPRequest& request, base::Timestamp now) {
  const auto& key = request.actual_lrp_key();
  Outcome outcome(key.process_guid());
  const ActualLRPPtr target =
      records_.lrps(key.process_guid(), key.index()).with_key(request.actual_lrp_instance_key());
  if (!target) {
    outcome.error = models::resource_not_found();
  } else if (!is_ordinary(*target)) {
    remove_lrp(outcome, target);
  } else {
    reschedule(outcome, target, now);
  }
  return outcome;
}

Outcome Board::evacuate_crashed(const models::EvacuateCrashedActualLRPRequest& request, base::Timestamp now) {
  const auto& key = request.actual_lrp_key();
  Outcome outcome(key.process_guid());
  const ActualLRPPtr target =
      records_.lrps(key.process_guid(), key.index()).with_key(request.actual_lrp_instance_key());
  if (!target) {
    outcome.error = models::resource_not_found();
  } else if (!is_ordinary(*target)) {
    remove_lrp(outcome, target);
  } else if (!(target->lrp.actual_lrp_key() == key)) {
    outcome.error = models::actual_lrp_cannot_be_crashed();
  } else {
    crash_lrp(outcome, target, request.error_message(), now, false);  // convergence restarts it
  }
  return outcome;
}

Outcome Board::evacuate_stopped(const models::EvacuateStoppedActualLRPRequest& request) {
  const auto& key = request.actual_lrp_key();
  Outcome outcome(key.process_guid());
  const ActualLRPPtr target =
      records_.lrps(key.process_guid(), key.index()).with_key(request.actual_lrp_instance_key());
  if (target) {
    remove_lrp(outcome, target);
  } else {
    outcome.error = models::resource_not_found();
  }
  return outcome;
}

Outcome Board::remove_evacuating(const models::RemoveEvacuatingActualLRPRequest& request) {
  const auto& key = request.actual_lrp_key();
  Outcome outcome(key.process_guid());
  const ActualLRPPtr evacuating = records_.lrps(key.process_guid(), key.index()).evacuating();
  if (evacuating && has_key(*evacuating, request.actual_lrp_instance_key())) {
    remove_lrp(outcome, evacuating);
  } else {
    outcome.error = models::resource_not_found();
  }
  return outcome;
}

Outcome Board::evacuate_running(const models::EvacuateRunningActualLRPRequest& request, base::Timestamp now) {
  const auto& key = request.actual_lrp_key();
  Outcome outcome(key.process_guid());
  const LRPSet lrps = records_.lrps(key.process_guid(), key.index());
  if (lrps.empty()) return outcome;
  const ActualLRPPtr target = lrps.with_key(request.actual_lrp_instance_key());
  const ActualLRPPtr& ordinary = lrps.ordinary();
  const DesiredLRPPtr desired = records_.desired_lrp(key.process_guid());
  const bool replaced =
      !ordinary ||
      (ordinary != target && (is_in_state(*ordinary, models::kRunning) || is_in_state(*ordinary, models::kCrashed)));
  if (replaced || !desired) {
    if (target && is_evacuating(*target)) remove_lrp(outcome, target);
    return outcome;
  }
  if (desired->lrp.update_strategy() == models::DesiredLRP::RECREATE) {
    evacuate_recreate(outcome, target, *desired, now);
  } else {
    evacuate_rolling(outcome, lrps, target, request, now);
  }
  return outcome;
}

void Board::evacuate_rolling(Outcome& outcome, const LRPSet& lrps, const ActualLRPPtr& target,
                             const models::EvacuateRunningActualLRPRequest& request, base::Timestamp now) {
  if (!target || is_evacuating(*target)) {
    if (!target && lrps.evacuating()) return;  // another instance holds the place
    outcome.answer = true;
    keep_evacuating(outcome, lrps, request, now);
  } else if (is_on_a_cell(*target)) {
    outcome.answer = true;
    hand_over(outcome, lrps, target, now);
  }
}

void Board::keep_evacuating(Outcome& outcome, const LRPSet& lrps,
                            const models::EvacuateRunningActualLRPRequest& request, base::Timestamp now) {
  const ActualLRPPtr& before = lrps.evacuating();
  if (before && before->net_info() == request.actual_lrp_net_info().SerializeAsString() &&
      before->lrp.actual_lrp_key() == request.actual_lrp_key()) {
    return;
  }
  models::ActualLRP lrp = evacuating_from(request, make_guid_(), now);
  if (before) continue_tag(lrp, before->lrp);
  LRPEdit edit(records_, outcome, request.actual_lrp_key().process_guid(), request.actual_lrp_key().index());
  const ActualLRPPtr after = edit.replace_silently(before, std::move(lrp));
  edit.transition(nullptr, after);  // a created event even if it existed (§3.9)
  edit.finish();
}

// The sequence of §4.6 in one step: an evacuating copy takes over, and an ordinary target makes room for its
// replacement.
void Board::hand_over(Outcome& outcome, const LRPSet& lrps, const ActualLRPPtr& target, base::Timestamp now) {
  models::ActualLRP twin = evacuating_twin(target->whole(), make_guid_(), now);
  LRPEdit edit(records_, outcome, process_guid(*target), instance_index(*target));
  const ActualLRPPtr& old_twin = lrps.evacuating();
  if (old_twin && has_key(*old_twin, target->lrp.actual_lrp_instance_key())) continue_tag(twin, old_twin->lrp);
  const ActualLRPPtr evacuating = edit.replace_silently(old_twin, std::move(twin));
  edit.transition(target, evacuating);
  if (old_twin && !has_key(*old_twin, target->lrp.actual_lrp_instance_key())) edit.transition(old_twin, nullptr);
  if (is_ordinary(*target)) {
    models::ActualLRP unclaimed = target->whole();
    make_unclaimed(unclaimed, now);
    edit.transition(nullptr, edit.replace_silently(target, std::move(unclaimed)));
    request_auction(outcome, target->lrp.actual_lrp_key());
  } else {
    edit.drop_silently(target);
  }
  edit.finish();
}

void Board::evacuate_recreate(Outcome& outcome, const ActualLRPPtr& target, const DesiredLRPRecord& desired,
                              base::Timestamp now) {
  if (!target) return;
  if (!is_ordinary(*target)) return remove_lrp(outcome, target);
  if (!is_on_a_cell(*target)) return;
  std::int32_t running = 0;
  for (const Instance& instance : records_.process(desired.lrp.process_guid())->instances) {
    const ActualLRPPtr& ordinary = instance.lrps.ordinary();
    if (ordinary && is_in_state(*ordinary, models::kRunning)) ++running;
  }
  if (running < desired.lrp.instances()) {
    outcome.answer = true;  // another instance is down already: one at a time
    return;
  }
  reschedule(outcome, target, now);
}

}  // namespace rivera::bbs
