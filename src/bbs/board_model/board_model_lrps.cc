// docs/spec/bbs.md §4.5: the table "Actual LRP calls" and the crash rule.
#include "bbs/board_model/board_model.h"

namespace rivera::bbs {
namespace {

using models::ActualLRP;

bool has_key(const std::optional<ActualLRP>& row, const models::ActualLRPInstanceKey& key) {
  return row && row->actual_lrp_instance_key() == key;
}

void touch(ActualLRP& row, base::Timestamp now) {
  row.set_since(base::to_unix_nanos(now));
  row.mutable_modification_tag()->set_index(row.modification_tag().index() + 1);
}

// What a Start makes of a row, except its time and tag.
ActualLRP started(ActualLRP row, const models::StartActualLRPRequest& request) {
  row.set_state("RUNNING");
  *row.mutable_actual_lrp_key() = request.actual_lrp_key();
  *row.mutable_actual_lrp_instance_key() = request.actual_lrp_instance_key();
  *row.mutable_actual_lrp_net_info() = request.actual_lrp_net_info();
  *row.mutable_actual_lrp_internal_routes() = request.actual_lrp_internal_routes();
  *row.mutable_metric_tags() = request.metric_tags();
  const bool given = request.optional_routable_case() == models::StartActualLRPRequest::kRoutable;
  row.set_routable(given ? request.routable() : true);
  row.set_availability_zone(request.availability_zone());
  row.clear_placement_error();
  return row;
}

}  // namespace

ModelOutcome BoardModel::claim(const models::ClaimActualLRPRequest& request, base::Timestamp now) {
  const Rows before = rows(request.process_guid(), request.index());
  const auto& key = request.actual_lrp_instance_key();
  if (has_key(before[LRP::SUSPECT], key)) return {};
  if (!before[LRP::ORDINARY]) return ModelOutcome::refused(models::resource_not_found());
  LRP row = *before[LRP::ORDINARY];
  if (row.state() == "CLAIMED" && has_key(row, key)) return {};
  if (row.state() != "UNCLAIMED" && !(row.state() == "RUNNING" && has_key(row, key))) {
    return ModelOutcome::refused(models::actual_lrp_cannot_be_claimed());
  }
  row.set_state("CLAIMED");
  *row.mutable_actual_lrp_instance_key() = key;
  row.clear_actual_lrp_net_info();
  row.clear_placement_error();
  touch(row, now);
  put(row);
  ModelOutcome outcome;
  add_events(outcome, before, rows(request.process_guid(), request.index()));
  return outcome;
}

ModelOutcome BoardModel::start(const models::StartActualLRPRequest& request, base::Timestamp now) {
  const auto& key = request.actual_lrp_key();
  const auto& instance = request.actual_lrp_instance_key();
  const Rows before = rows(key.process_guid(), key.index());
  if (has_key(before[LRP::SUSPECT], instance)) return {};
  if (before[LRP::ORDINARY]) {
    const LRP& row = *before[LRP::ORDINARY];
    const bool allowed = row.actual_lrp_key() == key && (row.state() == "UNCLAIMED" || row.state() == "CLAIMED" ||
                                                         (row.state() == "RUNNING" && has_key(row, instance)));
    if (!allowed) return ModelOutcome::refused(models::actual_lrp_cannot_be_started());
    LRP after = started(row, request);
    const bool is_heartbeat = row.state() == "RUNNING" && describe(after) == describe(row);
    if (!is_heartbeat) {
      touch(after, now);
      put(after);
    }
  } else {
    LRP after = started(LRP(), request);
    after.set_since(base::to_unix_nanos(now));
    after.mutable_modification_tag()->set_epoch(new_epoch());
    put(after);
  }
  for (const Presence other : {LRP::EVACUATING, LRP::SUSPECT}) lrps.erase({key.process_guid(), key.index(), other});
  ModelOutcome outcome;
  add_events(outcome, before, rows(key.process_guid(), key.index()));
  return outcome;
}

ModelOutcome BoardModel::crash(const models::CrashActualLRPRequest& request, base::Timestamp now) {
  const auto& key = request.actual_lrp_key();
  const Rows before = rows(key.process_guid(), key.index());
  ModelOutcome outcome;
  if (has_key(before[LRP::SUSPECT], request.actual_lrp_instance_key())) {
    remove(outcome, *before[LRP::SUSPECT]);
    return outcome;
  }
  if (!before[LRP::ORDINARY]) return ModelOutcome::refused(models::resource_not_found());
  const LRP& row = *before[LRP::ORDINARY];
  if (!(row.actual_lrp_key() == key) || !models::is_on_a_cell(row) ||
      !has_key(row, request.actual_lrp_instance_key())) {
    return ModelOutcome::refused(models::actual_lrp_cannot_be_crashed());
  }
  if (crash_rule(outcome, row, request.error_message(), now, true)) {
    auction(outcome, key.process_guid(), {key.index()});
    if (!desired.contains(key.process_guid())) outcome.error = models::resource_not_found();
  }
  return outcome;
}

// "Crash rule". True if the instance restarts at once. Events have the whole reason, rows a truncated one (§3.6).
bool BoardModel::crash_rule(ModelOutcome& outcome, const LRP& row, const std::string& reason, base::Timestamp now,
                            bool is_call) {
  const auto& key = row.actual_lrp_key();
  const Rows before = rows(key.process_guid(), key.index());
  const bool ran_long = row.state() == "RUNNING" && base::to_unix_nanos(now) - row.since() > 300'000'000'000;
  LRP after = row;
  after.set_crash_count(ran_long ? 1 : row.crash_count() + 1);
  after.set_crash_reason(models::truncated_for_storage(reason));
  after.clear_actual_lrp_instance_key();
  after.clear_actual_lrp_net_info();
  touch(after, now);
  after.set_state(after.crash_count() < 3 ? "UNCLAIMED" : "CRASHED");
  put(after);
  Rows published = rows(key.process_guid(), key.index());
  published[LRP::ORDINARY]->set_crash_reason(reason);
  add_events(outcome, before, published, "", is_call);
  return after.crash_count() < 3;
}

ModelOutcome BoardModel::fail(const models::FailActualLRPRequest& request, base::Timestamp now) {
  const auto& key = request.actual_lrp_key();
  const Rows before = rows(key.process_guid(), key.index());
  if (!before[LRP::ORDINARY]) return {};
  LRP after = *before[LRP::ORDINARY];
  if (after.state() != "UNCLAIMED" || !(after.actual_lrp_key() == key)) {
    return ModelOutcome::refused(models::actual_lrp_cannot_be_failed());
  }
  after.set_placement_error(models::truncated_for_storage(request.error_message()));
  touch(after, now);
  put(after);
  Rows published = rows(key.process_guid(), key.index());
  published[LRP::ORDINARY]->set_placement_error(request.error_message());
  ModelOutcome outcome;
  add_events(outcome, before, published);
  return outcome;
}

ModelOutcome BoardModel::remove(const models::RemoveActualLRPRequest& request) {
  const Rows before = rows(request.process_guid(), request.index());
  const auto& row = before[LRP::ORDINARY];
  if (!row) return ModelOutcome::refused(models::resource_not_found());
  if (request.has_actual_lrp_instance_key() && !has_key(row, request.actual_lrp_instance_key())) {
    return ModelOutcome::refused(models::resource_not_found());
  }
  ModelOutcome outcome;
  remove(outcome, *row);
  return outcome;
}

ModelOutcome BoardModel::retire(const models::ActualLRPKey& key, const std::string& trace) {
  const Rows before = rows(key.process_guid(), key.index());
  const auto& row = before[LRP::ORDINARY];
  if (!row) return ModelOutcome::refused(models::resource_not_found());
  ModelOutcome outcome;
  if (models::is_on_a_cell(*row)) {
    outcome.follow_ups.insert("stop " + describe(*row) + " trace " + trace);
  } else {
    remove(outcome, *row, trace);
  }
  return outcome;
}

// Retire of what runs on a cell that is not registered.
ModelOutcome BoardModel::retire_without_cell(const models::ActualLRPKey& key, const std::string& trace) {
  const Rows before = rows(key.process_guid(), key.index());
  if (!before[LRP::ORDINARY]) return ModelOutcome::refused(models::resource_not_found());
  ModelOutcome outcome;
  remove(outcome, *before[LRP::ORDINARY], trace);
  return outcome;
}

// §4.4: "Unclaiming ... keep routable, zone, internal routes, metric tags and placement_error as they were."
void BoardModel::unclaim(ModelOutcome& outcome, const LRP& row, base::Timestamp now) {
  const auto& key = row.actual_lrp_key();
  const Rows before = rows(key.process_guid(), key.index());
  LRP after = row;
  after.set_state("UNCLAIMED");
  after.clear_actual_lrp_instance_key();
  after.clear_actual_lrp_net_info();
  touch(after, now);
  put(after);
  add_events(outcome, before, rows(key.process_guid(), key.index()));
}

}  // namespace rivera::bbs
