#include <algorithm>

#include "bbs/board/board.h"
#include "bbs/board/lrp_edit.h"

namespace rivera::bbs {
namespace {

using models::ModelError;

void count_up(models::ActualLRP& lrp) {
  auto* tag = lrp.mutable_modification_tag();
  tag->set_index(tag->index() + 1);
}

void set_since(models::ActualLRP& lrp, base::Timestamp now) { lrp.set_since(base::to_unix_nanos(now)); }

Outcome failed(Outcome outcome, ModelError error) {
  outcome.error = std::move(error);
  return outcome;
}

bool routable_of(const models::StartActualLRPRequest& request) {
  return request.optional_routable_case() == models::StartActualLRPRequest::kRoutable ? request.routable() : true;
}

// `lrp` after a Start, except for modification tag and time.
void take_over(models::ActualLRP& lrp, const models::StartActualLRPRequest& request) {
  *lrp.mutable_actual_lrp_key() = request.actual_lrp_key();
  *lrp.mutable_actual_lrp_instance_key() = request.actual_lrp_instance_key();
  *lrp.mutable_actual_lrp_net_info() = request.actual_lrp_net_info();
  *lrp.mutable_actual_lrp_internal_routes() = request.actual_lrp_internal_routes();
  *lrp.mutable_metric_tags() = request.metric_tags();
  lrp.set_routable(routable_of(request));
  lrp.set_availability_zone(request.availability_zone());
  lrp.set_state(std::string(models::kRunning));
  lrp.clear_placement_error();
}

bool has_tags(const ActualLRPRecord& record, const google::protobuf::Map<std::string, std::string>& tags) {
  const ActualLRPRecord::MetricTags known = record.metric_tags();
  return known.size() == tags.size() && std::all_of(known.begin(), known.end(), [&tags](const auto& tag) {
           const auto wanted = tags.find(tag.first);
           return wanted != tags.end() && wanted->second == tag.second;
         });
}

// True if a Start changes nothing: the heartbeat of §4.5. Most calls are of this kind, so it builds no record.
bool is_heartbeat(const ActualLRPRecord& record, const models::StartActualLRPRequest& request) {
  const models::ActualLRP& lrp = record.lrp;
  if (lrp.state() != models::kRunning) return false;
  if (!(lrp.actual_lrp_instance_key() == request.actual_lrp_instance_key())) return false;
  if (record.net_info() != request.actual_lrp_net_info().SerializeAsString()) return false;
  if (lrp.routable() != routable_of(request) || lrp.availability_zone() != request.availability_zone()) return false;
  const auto& routes = lrp.actual_lrp_internal_routes();
  const auto& new_routes = request.actual_lrp_internal_routes();
  if (!std::equal(routes.begin(), routes.end(), new_routes.begin(), new_routes.end(),
                  [](const auto& a, const auto& b) { return a == b; })) {
    return false;
  }
  return has_tags(record, request.metric_tags());
}

}  // namespace

Outcome Board::claim(const models::ClaimActualLRPRequest& request, base::Timestamp now) {
  Outcome outcome(request.process_guid());
  const LRPSet lrps = records_.lrps(request.process_guid(), request.index());
  const auto& key = request.actual_lrp_instance_key();
  if (lrps.suspect() && has_key(*lrps.suspect(), key)) return outcome;
  if (!lrps.ordinary()) return failed(std::move(outcome), models::resource_not_found());
  const models::ActualLRP& from = lrps.ordinary()->lrp;
  if (!models::transition_allowed(from, from.actual_lrp_key(), key, models::kClaimed)) {
    return failed(std::move(outcome), models::actual_lrp_cannot_be_claimed());
  }
  if (from.state() == models::kClaimed) return outcome;

  models::ActualLRP lrp = lrps.ordinary()->whole();
  lrp.set_state(std::string(models::kClaimed));
  *lrp.mutable_actual_lrp_instance_key() = key;
  lrp.mutable_actual_lrp_net_info()->Clear();
  lrp.clear_placement_error();
  set_since(lrp, now);
  count_up(lrp);
  LRPEdit edit(records_, outcome, request.process_guid(), request.index());
  edit.replace(lrps.ordinary(), std::move(lrp));
  edit.finish();
  return outcome;
}

Outcome Board::start(const models::StartActualLRPRequest& request, base::Timestamp now) {
  const auto& key = request.actual_lrp_key();
  const auto& instance_key = request.actual_lrp_instance_key();
  Outcome outcome(key.process_guid());
  const LRPSet lrps = records_.lrps(key.process_guid(), key.index());
  if (lrps.suspect() && has_key(*lrps.suspect(), instance_key)) return outcome;

  const ActualLRPPtr& ordinary = lrps.ordinary();
  const bool same_lrp = ordinary && ordinary->lrp.actual_lrp_key() == key;
  const bool heartbeat = same_lrp && is_heartbeat(*ordinary, request);
  if (heartbeat && !lrps.evacuating() && !lrps.suspect()) return outcome;
  if (ordinary && (!same_lrp || !models::transition_allowed(ordinary->lrp, key, instance_key, models::kRunning))) {
    return failed(std::move(outcome), models::actual_lrp_cannot_be_started());
  }

  LRPEdit edit(records_, outcome, key.process_guid(), key.index());
  if (!heartbeat) {
    models::ActualLRP lrp;
    if (ordinary) {
      lrp = ordinary->lrp;  // what is not in there, the request has
      count_up(lrp);
    } else {
      lrp.mutable_modification_tag()->set_epoch(make_guid_());
    }
    take_over(lrp, request);
    set_since(lrp, now);
    edit.replace(ordinary, std::move(lrp));
  }
  if (lrps.evacuating()) edit.remove(lrps.evacuating());
  if (lrps.suspect()) edit.remove(lrps.suspect());
  edit.finish();
  return outcome;
}

Outcome Board::crash(const models::CrashActualLRPRequest& request, base::Timestamp now) {
  const auto& key = request.actual_lrp_key();
  const auto& instance_key = request.actual_lrp_instance_key();
  Outcome outcome(key.process_guid());
  const LRPSet lrps = records_.lrps(key.process_guid(), key.index());
  if (lrps.suspect() && has_key(*lrps.suspect(), instance_key)) {
    remove_lrp(outcome, lrps.suspect());
    return outcome;
  }
  if (!lrps.ordinary()) return failed(std::move(outcome), models::resource_not_found());
  const models::ActualLRP& from = lrps.ordinary()->lrp;
  if (!(from.actual_lrp_key() == key) || !is_on_a_cell(*lrps.ordinary()) || !has_key(*lrps.ordinary(), instance_key)) {
    return failed(std::move(outcome), models::actual_lrp_cannot_be_crashed());
  }
  const bool restarts = crash_lrp(outcome, lrps.ordinary(), request.error_message(), now, true);
  if (restarts && !request_auction(outcome, key)) outcome.error = models::resource_not_found();
  return outcome;
}

Outcome Board::fail(const models::FailActualLRPRequest& request, base::Timestamp now) {
  const auto& key = request.actual_lrp_key();
  Outcome outcome(key.process_guid());
  const ActualLRPPtr ordinary = records_.lrps(key.process_guid(), key.index()).ordinary();
  if (!ordinary) return outcome;
  if (!is_in_state(*ordinary, models::kUnclaimed) || !(ordinary->lrp.actual_lrp_key() == key)) {
    return failed(std::move(outcome), models::actual_lrp_cannot_be_failed());
  }
  models::ActualLRP lrp = ordinary->whole();
  set_since(lrp, now);
  count_up(lrp);
  models::ActualLRP published = lrp;
  lrp.set_placement_error(models::truncated_for_storage(request.error_message()));
  published.set_placement_error(request.error_message());
  LRPEdit edit(records_, outcome, key.process_guid(), key.index());
  edit.replace(ordinary, std::move(lrp), std::move(published));
  edit.finish();
  return outcome;
}

Outcome Board::remove(const models::RemoveActualLRPRequest& request) {
  Outcome outcome(request.process_guid());
  const ActualLRPPtr ordinary = records_.lrps(request.process_guid(), request.index()).ordinary();
  const bool matches =
      ordinary && (!request.has_actual_lrp_instance_key() || has_key(*ordinary, request.actual_lrp_instance_key()));
  if (!matches) return failed(std::move(outcome), models::resource_not_found());
  remove_lrp(outcome, ordinary);
  return outcome;
}

Outcome Board::retire(const models::ActualLRPKey& key, const std::string& trace_id) {
  Outcome outcome(key.process_guid());
  const ActualLRPPtr ordinary = records_.lrps(key.process_guid(), key.index()).ordinary();
  if (!ordinary) return failed(std::move(outcome), models::resource_not_found());
  if (is_on_a_cell(*ordinary)) {
    outcome.follow_ups.push_back(StopInstance{ordinary, trace_id});
  } else {
    remove_lrp(outcome, ordinary, trace_id);
  }
  return outcome;
}

Outcome Board::remove_if_unchanged(const ActualLRPPtr& lrp, const std::string& trace_id) {
  Outcome outcome(process_guid(*lrp));
  LRPSet lrps = records_.lrps(process_guid(*lrp), instance_index(*lrp));
  if (lrps[lrp->lrp.presence()] != lrp) return failed(std::move(outcome), models::resource_conflict());
  remove_lrp(outcome, lrp, trace_id);
  return outcome;
}

void Board::create_unclaimed(Outcome& outcome, const models::ActualLRPKey& key, base::Timestamp now,
                             const std::string& trace_id) {
  LRPEdit edit(records_, outcome, key.process_guid(), key.index(), trace_id);
  edit.create(models::unclaimed_actual_lrp(key, base::to_unix_nanos(now), make_guid_()));
  edit.finish();
}

void Board::remove_lrp(Outcome& outcome, const ActualLRPPtr& lrp, const std::string& trace_id) {
  LRPEdit edit(records_, outcome, process_guid(*lrp), instance_index(*lrp), trace_id);
  edit.remove(lrp);
  edit.finish();
}

bool Board::crash_lrp(Outcome& outcome, const ActualLRPPtr& from, const std::string& reason, base::Timestamp now,
                      bool is_call) {
  models::ActualLRP lrp = from->whole();
  lrp.set_crash_count(models::crash_count_after(from->lrp, base::to_unix_nanos(now)));
  make_unclaimed(lrp, now);
  const bool restarts = models::restarts_at_once(lrp.crash_count());
  if (!restarts) lrp.set_state(std::string(models::kCrashed));
  models::ActualLRP published = lrp;
  lrp.set_crash_reason(models::truncated_for_storage(reason));
  published.set_crash_reason(reason);
  LRPEdit edit(records_, outcome, process_guid(*from), instance_index(*from));
  if (is_call) edit.mark_as_crash_call();
  edit.replace(from, std::move(lrp), std::move(published));
  edit.finish();
  return restarts;
}

void Board::reschedule(Outcome& outcome, const ActualLRPPtr& lrp, base::Timestamp now) {
  models::ActualLRP unclaimed = lrp->whole();
  make_unclaimed(unclaimed, now);
  LRPEdit edit(records_, outcome, process_guid(*lrp), instance_index(*lrp));
  edit.replace(lrp, std::move(unclaimed));
  edit.finish();
  request_auction(outcome, lrp->lrp.actual_lrp_key());
}

bool Board::request_auction(Outcome& outcome, const models::ActualLRPKey& key) const {
  DesiredLRPPtr desired = records_.desired_lrp(key.process_guid());
  if (!desired) return false;
  outcome.follow_ups.push_back(AuctionLRP{std::move(desired), {key.index()}, ""});
  return true;
}

}  // namespace rivera::bbs
