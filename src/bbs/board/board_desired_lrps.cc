#include <algorithm>
#include <limits>

#include "bbs/board/board.h"
#include "bbs/board/lrp_edit.h"

namespace rivera::bbs {
namespace {

constexpr std::int64_t kAllInstances = std::numeric_limits<std::int64_t>::max();

// The first instance whose index is not below `index`.
auto instances_from(const Process& process, std::int64_t index) {
  return std::lower_bound(process.instances.begin(), process.instances.end(), index,
                          [](const Instance& instance, std::int64_t wanted) { return instance.index < wanted; });
}

}  // namespace

Outcome Board::desire_lrp(const models::DesiredLRP& desired, base::Timestamp now, const std::string& trace_id) {
  Outcome outcome(desired.process_guid());
  if (records_.desired_lrp(desired.process_guid())) {
    outcome.error = models::resource_exists();
    return outcome;
  }
  DesiredLRPPtr record;
  try {
    record = make_desired_lrp(models::as_stored(desired, make_guid_()), base::to_unix_nanos(now));
  } catch (const models::ModelError& e) {
    outcome.error = e;
    return outcome;
  }
  swap(outcome, DesiredLRPPtr(), record);
  outcome.events.push_back({Hub::kDesired, DesiredLRPEvent{nullptr, record, trace_id}});
  advance(outcome, {{Rest::Step::kCreate, desired.process_guid(), 0, false, false, trace_id}}, now);
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
  bool routes = false;  // the internal ones change
  try {
    models::DesiredLRP updated = before->whole();
    const models::ProtoRoutes routes_before = updated.routes();
    models::apply_update(updated, request.update());
    routes = request.update().has_routes() && models::internal_routes_differ(routes_before, updated.routes());
    after = make_desired_lrp(std::move(updated), before->created_at);
  } catch (const models::ModelError& e) {
    outcome.error = e;
    return outcome;
  }
  swap(outcome, before, after);
  const std::string& guid = request.process_guid();
  std::vector<Rest> work;
  if (after->lrp.instances() > before->lrp.instances()) {
    work.push_back({Rest::Step::kCreate, guid, before->lrp.instances(), false, false, trace_id});
  } else if (after->lrp.instances() < before->lrp.instances()) {
    work.push_back({Rest::Step::kStop, guid, kAllInstances, false, false, trace_id});
  }
  const bool tags = !models::metric_tags_equal(before->lrp.metric_tags(), after->lrp.metric_tags());
  if (routes || tags) work.push_back({Rest::Step::kUpdate, guid, 0, routes, tags, trace_id});
  advance(outcome, std::move(work), now);
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
  advance(outcome, {{Rest::Step::kStop, process_guid, kAllInstances, false, false, trace_id}}, {});
  return outcome;
}

Outcome Board::proceed(std::vector<Rest> rest, base::Timestamp now) {
  Outcome outcome(rest.empty() ? std::string() : rest.front().process_guid);
  advance(outcome, std::move(rest), now);
  return outcome;
}

void Board::advance(Outcome& outcome, std::vector<Rest> work, base::Timestamp now) {
  std::int32_t budget = options_.portion;
  const auto take = [&](Rest& step) {
    switch (step.step) {
      case Rest::Step::kCreate:
        return create_instances(outcome, step, budget, now);
      case Rest::Step::kStop:
        return stop_instances(outcome, step, budget);
      case Rest::Step::kUpdate:
        return update_instances(outcome, step, budget);
    }
    return true;
  };
  for (Rest& step : work) {
    if (!outcome.rest.empty() || !take(step)) outcome.rest.push_back(std::move(step));
  }
}

bool Board::create_instances(Outcome& outcome, Rest& work, std::int32_t& budget, base::Timestamp now) {
  const DesiredLRPPtr desired = records_.desired_lrp(work.process_guid);
  if (!desired) return true;
  std::vector<std::int32_t> created;
  for (; work.index < desired->lrp.instances() && budget > 0; ++work.index, --budget) {
    const auto index = static_cast<std::int32_t>(work.index);
    if (records_.lrps(work.process_guid, index).ordinary()) continue;
    create_unclaimed(outcome, models::actual_lrp_key(work.process_guid, index, desired->lrp.domain()), now,
                     work.trace_id);
    created.push_back(index);
  }
  if (!created.empty()) outcome.follow_ups.push_back(AuctionLRP{desired, std::move(created), work.trace_id});
  return work.index >= desired->lrp.instances();
}

// From the highest index down, so that what remains is below `work.index`.
bool Board::stop_instances(Outcome& outcome, Rest& work, std::int32_t& budget) {
  const Process* process = records_.process(work.process_guid);
  if (!process) return true;
  const std::int32_t first = process->desired ? process->desired->lrp.instances() : 0;
  std::vector<ActualLRPPtr> unwanted;
  auto end = instances_from(*process, work.index);
  for (; end != process->instances.begin() && std::prev(end)->index >= first && budget > 0; --budget) {
    const Instance& instance = *--end;
    work.index = instance.index;
    if (instance.lrps.suspect()) unwanted.push_back(instance.lrps.suspect());
    if (instance.lrps.ordinary()) unwanted.push_back(instance.lrps.ordinary());
  }
  const bool is_done = end == process->instances.begin() || std::prev(end)->index < first;
  for (const ActualLRPPtr& lrp : unwanted) {
    if (is_on_a_cell(*lrp)) {
      outcome.follow_ups.push_back(StopInstance{lrp, work.trace_id});
    } else {
      remove_lrp(outcome, lrp, work.trace_id);
    }
  }
  return is_done;
}

bool Board::update_instances(Outcome& outcome, Rest& work, std::int32_t& budget) const {
  const Process* process = records_.process(work.process_guid);
  if (!process || !process->desired) return true;
  const DesiredLRPRecord& desired = *process->desired;
  auto instance = instances_from(*process, work.index);
  for (; instance != process->instances.end() && budget > 0; ++instance, --budget) {
    for (const ActualLRPPtr& lrp : {instance->lrps.ordinary(), instance->lrps.suspect()}) {
      if (!lrp || !is_on_a_cell(*lrp)) continue;
      UpdateInstance call;
      call.lrp = lrp;
      call.trace_id = work.trace_id;
      if (work.routes) call.internal_routes = desired.internal_hosts;
      if (work.tags) {
        call.metric_tags = models::evaluated_tags(desired.lrp.metric_tags(), instance->index,
                                                  lrp->lrp.actual_lrp_instance_key().instance_guid());
      }
      outcome.follow_ups.push_back(std::move(call));
    }
  }
  if (instance == process->instances.end()) return true;
  work.index = instance->index;
  return false;
}

}  // namespace rivera::bbs
