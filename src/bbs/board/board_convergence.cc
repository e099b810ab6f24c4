#include "bbs/board/board.h"
#include "bbs/board/lrp_edit.h"

namespace rivera::bbs {

Outcome Board::converge_lrps(const LRPConvergence& plan, const CellIds& cells, base::Timestamp now) {
  Outcome outcome;
  Auctions auctions;
  for (const std::string& guid : plan.settled) records_.settle(guid);
  for (const std::string& name : plan.expired_domains) swap(outcome, records_.domain(name), DomainPtr());
  for (const ActualLRPPtr& lrp : plan.lost_evacuating) remove_lrp(outcome, lrp);
  for (const ActualLRPPtr& lrp : plan.returned) take_back(outcome, lrp);
  for (const ActualLRPPtr& lrp : plan.retire_suspects) remove_lrp(outcome, lrp);
  retire_all(outcome, plan, cells);
  for (const ActualLRPPtr& lrp : plan.lost) replace_lost(outcome, auctions, lrp, now);
  for (const auto& key : plan.missing) {
    create_unclaimed(outcome, key, now, "");
    auctions[key.process_guid()].push_back(key.index());
  }
  for (const ActualLRPPtr& lrp : plan.restart) restart(outcome, auctions, lrp, now);
  update_outdated(outcome, plan);
  for (auto& [guid, indices] : auctions) {
    outcome.follow_ups.push_back(AuctionLRP{records_.desired_lrp(guid), std::move(indices), ""});
  }
  return outcome;
}

void Board::retire_all(Outcome& outcome, const LRPConvergence& plan, const CellIds& cells) {
  for (const ActualLRPPtr& lrp : plan.retire) {
    if (is_on_a_cell(*lrp) && cells.contains(cell_id(*lrp))) {
      outcome.follow_ups.push_back(StopInstance{lrp, ""});
    } else {
      remove_lrp(outcome, lrp);
    }
  }
}

void Board::restart(Outcome& outcome, Auctions& auctions, const ActualLRPPtr& lrp, base::Timestamp now) {
  if (is_in_state(*lrp, models::kCrashed)) {
    models::ActualLRP unclaimed = lrp->whole();
    make_unclaimed(unclaimed, now);
    LRPEdit edit(records_, outcome, process_guid(*lrp), instance_index(*lrp));
    edit.replace(lrp, std::move(unclaimed));
    edit.finish();
  }
  auctions[process_guid(*lrp)].push_back(instance_index(*lrp));
}

// An LRP on a missing cell stays as a suspect until its replacement runs. If there is a suspect already, this LRP is
// the failed replacement; it becomes stale and is placed again later (§5.3).
void Board::replace_lost(Outcome& outcome, Auctions& auctions, const ActualLRPPtr& lrp, base::Timestamp now) {
  LRPEdit edit(records_, outcome, process_guid(*lrp), instance_index(*lrp));
  if (edit.before().suspect()) {
    models::ActualLRP unclaimed = lrp->whole();
    make_unclaimed(unclaimed, now);
    edit.replace(lrp, std::move(unclaimed));
  } else {
    models::ActualLRP suspect = lrp->whole();
    suspect.set_presence(models::ActualLRP::SUSPECT);
    edit.replace(lrp, std::move(suspect));
    edit.create(models::unclaimed_actual_lrp(lrp->lrp.actual_lrp_key(), base::to_unix_nanos(now), make_guid_()));
    auctions[process_guid(*lrp)].push_back(instance_index(*lrp));
  }
  edit.finish();
}

// Two mutations in the events, one for each LRP: group streams receive the removal of the replacement (§3.9).
void Board::take_back(Outcome& outcome, const ActualLRPPtr& suspect) {
  const ActualLRPPtr replacement = records_.lrps(process_guid(*suspect), instance_index(*suspect)).ordinary();
  const auto add_events = [&outcome](const ActualLRPPtr& before, const ActualLRPPtr& after) {
    LRPMutation mutation;
    mutation.transitions.push_back({before, after});
    mutation.before[before->lrp.presence()] = before;
    if (after) mutation.after[after->lrp.presence()] = after;
    Events events = events_of(mutation);
    std::move(events.begin(), events.end(), std::back_inserter(outcome.events));
  };
  if (replacement) {
    swap(outcome, replacement, ActualLRPPtr());
    add_events(replacement, nullptr);
  }
  models::ActualLRP lrp = suspect->whole();
  lrp.set_presence(models::ActualLRP::ORDINARY);
  const ActualLRPPtr ordinary = make_actual_lrp(std::move(lrp));
  swap(outcome, suspect, ActualLRPPtr());
  swap(outcome, ActualLRPPtr(), ordinary);
  add_events(suspect, ordinary);
}

void Board::update_outdated(Outcome& outcome, const LRPConvergence& plan) const {
  std::map<ActualLRPPtr, UpdateInstance> calls;
  for (const ActualLRPPtr& lrp : plan.outdated_routes) {
    calls[lrp].internal_routes = records_.desired_lrp(process_guid(*lrp))->internal_hosts;
  }
  for (const ActualLRPPtr& lrp : plan.outdated_tags) {
    calls[lrp].metric_tags =
        models::evaluated_tags(records_.desired_lrp(process_guid(*lrp))->lrp.metric_tags(), instance_index(*lrp),
                               lrp->lrp.actual_lrp_instance_key().instance_guid());
  }
  for (auto& [lrp, call] : calls) {
    call.lrp = lrp;
    outcome.follow_ups.push_back(std::move(call));
  }
}

Outcome Board::converge_tasks(const TaskConvergence& plan, base::Timestamp now) {
  Outcome outcome;
  for (const TaskPtr& task : plan.expired_pending) fail(outcome, task, "not started within time limit", now);
  for (const TaskPtr& task : plan.pending) outcome.follow_ups.push_back(AuctionTask{task, ""});
  for (const TaskPtr& task : plan.lost) {
    models::Task failed = task->task;
    models::complete(failed, true, "cell disappeared before completion", "", base::to_unix_nanos(now));
    failed.set_cell_id(task->task.cell_id());  // stays, unlike elsewhere (§5.5)
    complete(outcome, task, std::move(failed));
  }
  for (const TaskPtr& task : plan.stuck_resolving) {
    models::Task completed = task->task;
    completed.set_state(models::Task::Completed);
    replace(outcome, task, std::move(completed));
  }
  for (const TaskPtr& task : plan.expired_completed) remove_task(outcome, records_.task(task->task.task_guid()));
  for (const TaskPtr& task : plan.unanswered) {
    outcome.follow_ups.push_back(CompletionCallback{records_.task(task->task.task_guid())});
  }
  return outcome;
}

}  // namespace rivera::bbs
