#include "base/ids.h"
#include "bbs/board/board.h"
#include "bbs/board/lrp_edit.h"

namespace rivera::bbs {

Outcome Board::desire_lrp(const models::DesiredLRP& desired, base::Timestamp now, const std::string& trace_id) {
  Outcome outcome(desired.process_guid());
  if (records_.desired_lrp(desired.process_guid())) {
    outcome.error = models::resource_exists();
    return outcome;
  }
  DesiredLRPPtr record;
  try {
    record = make_desired_lrp(models::as_stored(desired, base::new_guid()), base::to_unix_nanos(now));
  } catch (const models::ModelError& e) {
    outcome.error = e;
    return outcome;
  }
  swap(outcome, DesiredLRPPtr(), record);
  outcome.events.push_back({Hub::kDesired, DesiredLRPEvent{nullptr, record, trace_id}});
  create_instances(outcome, record, 0, now, trace_id);
  return outcome;
}

Outcome Board::update_desired_lrp(const models::UpdateDesiredLRPRequest& request, base::Timestamp now,
                                  const std::string& trace_id) {
  Outcome outcome(request.process_guid());
  const DesiredLRPPtr before = records_.desired_lrp(request.process_guid());
  if (!before) {
    outcome.error = models::resource_not_found();
    return outcome;
  }
  DesiredLRPPtr after;
  try {
    models::DesiredLRP updated = before->lrp;
    models::apply_update(updated, request.update());
    after = make_desired_lrp(std::move(updated), before->created_at);
  } catch (const models::ModelError& e) {
    outcome.error = e;
    return outcome;
  }
  swap(outcome, before, after);
  if (after->lrp.instances() > before->lrp.instances()) {
    create_instances(outcome, after, before->lrp.instances(), now, trace_id);
  } else if (after->lrp.instances() < before->lrp.instances()) {
    stop_instances(outcome, request.process_guid(), after->lrp.instances(), trace_id);
  }
  update_instances(outcome, request.update(), *before, *after, trace_id);
  outcome.events.push_back({Hub::kDesired, DesiredLRPEvent{before, after, trace_id}});
  return outcome;
}

Outcome Board::remove_desired_lrp(const std::string& process_guid, const std::string& trace_id) {
  Outcome outcome(process_guid);
  const DesiredLRPPtr before = records_.desired_lrp(process_guid);
  if (!before) {
    outcome.error = models::resource_not_found();
    return outcome;
  }
  swap(outcome, before, DesiredLRPPtr());
  outcome.events.push_back({Hub::kDesired, DesiredLRPEvent{before, nullptr, trace_id}});
  stop_instances(outcome, process_guid, 0, trace_id);
  return outcome;
}

void Board::create_instances(Outcome& outcome, const DesiredLRPPtr& desired, std::int32_t first, base::Timestamp now,
                             const std::string& trace_id) {
  std::vector<std::int32_t> created;
  for (std::int32_t index = first; index < desired->lrp.instances(); ++index) {
    if (records_.lrps(desired->lrp.process_guid(), index).ordinary()) continue;
    create_unclaimed(outcome, models::actual_lrp_key(desired->lrp.process_guid(), index, desired->lrp.domain()), now,
                     trace_id);
    created.push_back(index);
  }
  if (!created.empty()) outcome.follow_ups.push_back(AuctionLRP{desired, std::move(created), trace_id});
}

void Board::stop_instances(Outcome& outcome, const std::string& guid, std::int32_t first, const std::string& trace_id) {
  const Process* process = records_.process(guid);
  if (!process) return;
  std::vector<ActualLRPPtr> unwanted;
  for (const Instance& instance : process->instances) {
    if (instance.index < first) continue;
    if (instance.lrps.ordinary()) unwanted.push_back(instance.lrps.ordinary());
    if (instance.lrps.suspect()) unwanted.push_back(instance.lrps.suspect());
  }
  // From the highest index down: instances are ordered by index, and only removal at the end is O(1), here and when the
  // changes are committed.
  for (auto lrp = unwanted.rbegin(); lrp != unwanted.rend(); ++lrp) {
    if (is_on_a_cell(**lrp)) {
      outcome.follow_ups.push_back(StopInstance{*lrp, trace_id});
    } else {
      remove_lrp(outcome, *lrp, trace_id);
    }
  }
}

void Board::update_instances(Outcome& outcome, const models::DesiredLRPUpdate& update, const DesiredLRPRecord& before,
                             const DesiredLRPRecord& after, const std::string& trace_id) const {
  const bool routes = update.has_routes() && models::internal_routes_differ(before.lrp.routes(), after.lrp.routes());
  const bool tags = !models::metric_tags_equal(before.lrp.metric_tags(), after.lrp.metric_tags());
  const Process* process = records_.process(after.lrp.process_guid());
  if (!process || (!routes && !tags)) return;
  for (const Instance& instance : process->instances) {
    for (const ActualLRPPtr& lrp : {instance.lrps.ordinary(), instance.lrps.suspect()}) {
      if (!lrp || !is_on_a_cell(*lrp)) continue;
      UpdateInstance call;
      call.lrp = lrp;
      call.trace_id = trace_id;
      if (routes) call.internal_routes = after.internal_hosts;
      if (tags) {
        call.metric_tags = models::evaluated_tags(after.lrp.metric_tags(), instance.index,
                                                  lrp->lrp.actual_lrp_instance_key().instance_guid());
      }
      outcome.follow_ups.push_back(std::move(call));
    }
  }
}

}  // namespace rivera::bbs
