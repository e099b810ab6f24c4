// docs/spec/bbs.md §4.6: the table of evacuation, row by row.
#include "bbs/board_model/board_model.h"

namespace rivera::bbs {
namespace {

using models::ActualLRP;

bool is_ordinary(const ActualLRP& row) { return row.presence() == ActualLRP::ORDINARY; }
bool is_evacuating(const ActualLRP& row) { return row.presence() == ActualLRP::EVACUATING; }

}  // namespace

// "Target" is the row of that index, of any presence, whose instance key equals the request's.
std::optional<BoardModel::LRP> BoardModel::target_of(const models::ActualLRPKey& key,
                                                     const models::ActualLRPInstanceKey& instance) const {
  for (const auto& row : rows(key.process_guid(), key.index())) {
    if (row && row->actual_lrp_instance_key() == instance) return row;
  }
  return std::nullopt;
}

ModelOutcome BoardModel::evacuate_claimed(const models::EvacuateClaimedActualLRPRequest& request, base::Timestamp now) {
  ModelOutcome outcome;
  const auto target = target_of(request.actual_lrp_key(), request.actual_lrp_instance_key());
  if (!target) {
    outcome.error = models::resource_not_found();
  } else if (!is_ordinary(*target)) {
    remove(outcome, *target);
  } else {
    unclaim(outcome, *target, now);
    auction(outcome, target->actual_lrp_key().process_guid(), {target->actual_lrp_key().index()});
  }
  return outcome;
}

ModelOutcome BoardModel::evacuate_stopped(const models::EvacuateStoppedActualLRPRequest& request) {
  ModelOutcome outcome;
  const auto target = target_of(request.actual_lrp_key(), request.actual_lrp_instance_key());
  if (!target) {
    outcome.error = models::resource_not_found();
  } else {
    remove(outcome, *target);
  }
  return outcome;
}

ModelOutcome BoardModel::evacuate_crashed(const models::EvacuateCrashedActualLRPRequest& request, base::Timestamp now) {
  ModelOutcome outcome;
  const auto target = target_of(request.actual_lrp_key(), request.actual_lrp_instance_key());
  if (!target) {
    outcome.error = models::resource_not_found();
  } else if (!is_ordinary(*target)) {
    remove(outcome, *target);
  } else if (!(target->actual_lrp_key() == request.actual_lrp_key())) {
    outcome.error = models::actual_lrp_cannot_be_crashed();
  } else {
    crash_rule(outcome, *target, request.error_message(), now, false);  // "but no auction"
  }
  return outcome;
}

ModelOutcome BoardModel::remove_evacuating(const models::RemoveEvacuatingActualLRPRequest& request) {
  ModelOutcome outcome;
  const auto& key = request.actual_lrp_key();
  const auto row = rows(key.process_guid(), key.index())[LRP::EVACUATING];
  if (!row || !(row->actual_lrp_instance_key() == request.actual_lrp_instance_key())) {
    outcome.error = models::resource_not_found();
  } else {
    remove(outcome, *row);
  }
  return outcome;
}

ModelOutcome BoardModel::evacuate_running(const models::EvacuateRunningActualLRPRequest& request, base::Timestamp now) {
  ModelOutcome outcome;
  const auto& key = request.actual_lrp_key();
  const Rows all = rows(key.process_guid(), key.index());
  if (!all[0] && !all[1] && !all[2]) return outcome;
  const auto target = target_of(key, request.actual_lrp_instance_key());
  const auto& ordinary = all[LRP::ORDINARY];
  const bool ordinary_is_target = ordinary && target && is_ordinary(*target);
  const bool replacement_is_up =
      ordinary && !ordinary_is_target && (ordinary->state() == "RUNNING" || ordinary->state() == "CRASHED");
  const auto lrp = desired.find(key.process_guid());
  if (!ordinary || replacement_is_up || lrp == desired.end()) {
    if (target && is_evacuating(*target)) remove(outcome, *target);
  } else if (lrp->second.update_strategy() == models::DesiredLRP::RECREATE) {
    evacuate_recreate(outcome, request, now);
  } else {
    evacuate_rolling(outcome, request, now);
  }
  return outcome;
}

void BoardModel::evacuate_rolling(ModelOutcome& outcome, const models::EvacuateRunningActualLRPRequest& request,
                                  base::Timestamp now) {
  const auto& key = request.actual_lrp_key();
  const Rows before = rows(key.process_guid(), key.index());
  const auto& evacuating = before[LRP::EVACUATING];
  const auto target = target_of(key, request.actual_lrp_instance_key());
  if (target && !is_evacuating(*target)) {
    if (!models::is_on_a_cell(*target)) return;  // "target in any other state"
    outcome.answer = true;
    dance(outcome, *target, now);
    return;
  }
  if (!target && evacuating) return;  // "another instance holds the evacuating row"
  outcome.answer = true;
  if (evacuating && evacuating->actual_lrp_net_info() == request.actual_lrp_net_info() &&
      evacuating->actual_lrp_key() == key) {
    return;
  }
  LRP row;
  *row.mutable_actual_lrp_key() = key;
  *row.mutable_actual_lrp_instance_key() = request.actual_lrp_instance_key();
  *row.mutable_actual_lrp_net_info() = request.actual_lrp_net_info();
  *row.mutable_actual_lrp_internal_routes() = request.actual_lrp_internal_routes();
  *row.mutable_metric_tags() = request.metric_tags();
  const bool given = request.optional_routable_case() == models::EvacuateRunningActualLRPRequest::kRoutable;
  row.set_routable(given ? request.routable() : true);
  row.set_availability_zone(request.availability_zone());
  row.set_state("RUNNING");
  row.set_presence(LRP::EVACUATING);
  row.set_since(base::to_unix_nanos(now));
  row.mutable_modification_tag()->set_epoch(evacuating ? evacuating->modification_tag().epoch() : new_epoch());
  row.mutable_modification_tag()->set_index(evacuating ? evacuating->modification_tag().index() + 1 : 0);
  put(row);
  add_instance_events(outcome, {{std::nullopt, row}});  // "Created of the evacuating LRP (sic, not Changed)"
  add_group_events(outcome, before, rows(key.process_guid(), key.index()));
}

// The evacuating row takes over from the stored data. An ordinary target becomes unclaimed and is auctioned; a suspect
// one is removed. An evacuating row of another instance is announced as removed.
void BoardModel::dance(ModelOutcome& outcome, const LRP& target, base::Timestamp now) {
  const auto& key = target.actual_lrp_key();
  const Rows before = rows(key.process_guid(), key.index());
  const auto& old = before[LRP::EVACUATING];
  const bool is_first_step_done = old && old->actual_lrp_instance_key() == target.actual_lrp_instance_key();
  LRP row = target;
  row.set_presence(LRP::EVACUATING);
  row.set_state("RUNNING");
  row.set_since(base::to_unix_nanos(now));
  row.clear_crash_count();
  row.clear_crash_reason();
  row.clear_placement_error();
  row.set_routable(target.routable());
  row.mutable_modification_tag()->set_epoch(is_first_step_done ? old->modification_tag().epoch() : new_epoch());
  row.mutable_modification_tag()->set_index(is_first_step_done ? old->modification_tag().index() + 1 : 0);
  put(row);
  std::vector<Pair> pairs = {{target, row}};
  if (old && !is_first_step_done) pairs.push_back({*old, std::nullopt});
  if (is_ordinary(target)) {
    ModelOutcome untold;
    unclaim(untold, target, now);
    pairs.push_back({std::nullopt, rows(key.process_guid(), key.index())[LRP::ORDINARY]});
    auction(outcome, key.process_guid(), {key.index()});
  } else {
    erase(target);
  }
  add_instance_events(outcome, pairs);
  add_group_events(outcome, before, rows(key.process_guid(), key.index()));
}

void BoardModel::evacuate_recreate(ModelOutcome& outcome, const models::EvacuateRunningActualLRPRequest& request,
                                   base::Timestamp now) {
  const auto& key = request.actual_lrp_key();
  const auto target = target_of(key, request.actual_lrp_instance_key());
  if (!target) return;
  if (!is_ordinary(*target)) return remove(outcome, *target);
  if (!models::is_on_a_cell(*target)) return;
  int running = 0;
  for (const auto& [slot, row] : lrps) {
    running += slot.process_guid == key.process_guid() && is_ordinary(row) && row.state() == "RUNNING";
  }
  if (running < desired.at(key.process_guid()).instances()) {
    outcome.answer = true;  // "one at a time"
    return;
  }
  unclaim(outcome, *target, now);
  auction(outcome, key.process_guid(), {key.index()});
}

}  // namespace rivera::bbs
