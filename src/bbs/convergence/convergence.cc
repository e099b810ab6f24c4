#include "bbs/convergence/convergence.h"

#include <algorithm>

namespace rivera::bbs {
namespace {

// An UNCLAIMED instance that the auction should have placed by now (§5.2, rule 4).
constexpr std::int64_t kStaleUnclaimed = 30'000'000'000;

class LRPPlanner {
 public:
  LRPPlanner(const Records& records, const CellIds& cells, base::Timestamp now)
      : records_(records), cells_(cells), now_(base::to_unix_nanos(now)) {}

  LRPConvergence plan(Scope scope) {
    count_all();
    sort_domains();
    find_cells();
    if (scope == Scope::kAll) {
      for (const auto& [guid, process] : records_.processes()) look_at(guid, process);
    } else {
      for (const std::string& guid : records_.unsettled()) look_at(guid);
      for (const std::string& guid : touched_by_cells_) {
        if (!records_.unsettled().contains(guid)) look_at(guid);
      }
    }
    return std::move(plan_);
  }

 private:
  void look_at(const std::string& guid) {
    const Process* process = records_.process(guid);
    if (process) look_at(guid, *process);
  }

  void look_at(const std::string& guid, const Process& process) {
    // Its desired LRP cannot be read (§4.9): its instances are not orphans.
    if (!process.desired && records_.is_unreadable(RecordKind::kDesiredLRP, guid)) return;
    crashing_ = false;
    settled_ = process.desired != nullptr;
    for (const Instance& instance : process.instances) look_at(process, instance);
    if (process.desired) look_at_desired(guid, process);
    plan_.counts.crashing_desired += process.desired && crashing_;
    if (settled_) plan_.settled.push_back(guid);
  }

  void count_all() {
    const Tally& tally = records_.tally();
    auto& counts = plan_.counts;
    counts.unclaimed = tally.unclaimed;
    counts.claimed = tally.claimed;
    counts.running = tally.running;
    counts.crashed = tally.crashed;
    counts.suspect_running = tally.suspect_running;
    counts.suspect_claimed = tally.suspect_claimed;
    counts.desired = tally.desired_instances;
  }

  void sort_domains() {
    for (const auto& [name, domain] : records_.domains()) {
      (domain->expires_at <= now_ ? plan_.expired_domains : plan_.fresh_domains).push_back(name);
    }
    std::sort(plan_.fresh_domains.begin(), plan_.fresh_domains.end());
  }

  bool is_fresh(const std::string& domain) const {
    return std::binary_search(plan_.fresh_domains.begin(), plan_.fresh_domains.end(), domain);
  }

  // For an LRP that is on a cell.
  bool is_present(const ActualLRPPtr& lrp) const { return !on_missing_cells_.contains(lrp.get()); }

  void find_cells() {
    plan_.counts.present_cells = static_cast<std::int64_t>(cells_.size());
    for (const auto& [cell, lrps] : records_.cells()) {
      if (cells_.contains(cell)) continue;
      ++plan_.counts.missing_cells;
      for (const ActualLRPPtr& lrp : lrps) {
        on_missing_cells_.insert(lrp.get());
        touched_by_cells_.insert(process_guid(*lrp));
      }
    }
  }

  void look_at(const Process& process, const Instance& instance) {
    const LRPSet& lrps = instance.lrps;
    // Several LRPs of one index are a temporary state.
    if (lrps.evacuating() || lrps.suspect()) settled_ = false;
    if (lrps.evacuating() && !is_present(lrps.evacuating())) plan_.lost_evacuating.push_back(lrps.evacuating());
    const bool suspect_stays = lrps.suspect() && look_at_suspect(process, lrps);
    if (!lrps.ordinary()) return;
    if (is_in_state(*lrps.ordinary(), models::kCrashed)) crashing_ = true;
    if (suspect_stays && is_back(lrps)) return;  // the suspect becomes ordinary again
    look_at_ordinary(process, instance);
  }

  bool is_back(const LRPSet& lrps) const { return is_present(lrps.suspect()); }

  // True if the suspect is not to be retired.
  bool look_at_suspect(const Process& process, const LRPSet& lrps) {
    const ActualLRPPtr& suspect = lrps.suspect();
    const bool running = is_in_state(*suspect, models::kRunning);
    const bool orphaned = !process.desired && is_fresh(suspect->lrp.actual_lrp_key().domain());
    const bool replaced = running && lrps.ordinary() && is_in_state(*lrps.ordinary(), models::kRunning);
    if (orphaned || replaced) {
      plan_.retire_suspects.push_back(suspect);
      return false;
    }
    if (is_present(suspect)) plan_.returned.push_back(suspect);
    return true;
  }

  void look_at_ordinary(const Process& process, const Instance& instance) {
    const ActualLRPPtr& lrp = instance.lrps.ordinary();
    const bool wanted = process.desired && instance.index < process.desired->lrp.instances();
    if (!wanted) settled_ = false;  // it may have to wait for its domain to become fresh
    if (!wanted && is_fresh(process.desired ? process.desired->lrp.domain() : lrp->lrp.actual_lrp_key().domain())) {
      plan_.retire.push_back(lrp);
      return;
    }
    if (!process.desired) return;
    const std::string& state = lrp->lrp.state();
    // Time alone makes these due.
    if (state == models::kUnclaimed || state == models::kCrashed) settled_ = false;
    if (state == models::kUnclaimed) {
      if (lrp->lrp.since() < now_ - kStaleUnclaimed) plan_.restart.push_back(lrp);
    } else if (state == models::kCrashed) {
      if (models::restart_due(lrp->lrp.crash_count(), lrp->lrp.since(), now_)) plan_.restart.push_back(lrp);
    } else if (!is_present(lrp)) {
      plan_.lost.push_back(lrp);
    } else if (state == models::kRunning) {
      compare_with_desired(*process.desired, lrp);
    }
  }

  void compare_with_desired(const DesiredLRPRecord& desired, const ActualLRPPtr& lrp) {
    const bool routes_differ = !has_hosts(*lrp, desired.internal_hosts);
    // A rep that gave no tags at all does not know of them.
    const bool tags_differ = lrp->lrp.metric_tags_size() > 0 && !has_tags(*lrp, desired);
    if (routes_differ) plan_.outdated_routes.push_back(lrp);
    if (tags_differ) plan_.outdated_tags.push_back(lrp);
    if (routes_differ || tags_differ) settled_ = false;  // sent at each run until the rep reports them
  }

  static bool has_hosts(const ActualLRPRecord& lrp, const std::vector<std::string>& hosts) {
    const auto& routes = lrp.lrp.actual_lrp_internal_routes();
    const auto same = [](const auto& route, const std::string& host) { return route.hostname() == host; };
    if (std::equal(routes.begin(), routes.end(), hosts.begin(), hosts.end(), same)) return true;
    std::set<std::string_view> wanted(hosts.begin(), hosts.end());
    std::set<std::string_view> known;
    for (const auto& route : routes) known.insert(route.hostname());
    return wanted == known;
  }

  static bool has_tags(const ActualLRPRecord& lrp, const DesiredLRPRecord& desired) {
    const auto& known = lrp.lrp.metric_tags();
    const auto& wanted = desired.lrp.metric_tags();
    if (known.size() != wanted.size()) return false;
    for (const auto& [name, value] : wanted) {
      auto it = known.find(name);
      if (it == known.end() || !matches(it->second, value, lrp)) return false;
    }
    return true;
  }

  static bool matches(const std::string& text, const models::MetricTagValue& tag, const ActualLRPRecord& lrp) {
    switch (tag.dynamic()) {
      case models::MetricTagValue::INDEX:
        return text == std::to_string(instance_index(lrp));
      case models::MetricTagValue::INSTANCE_GUID:
        return text == lrp.lrp.actual_lrp_instance_key().instance_guid();
      default:  // open enum: anything else is a static text
        return text == tag.static_();
    }
  }

  void look_at_desired(const std::string& guid, const Process& process) {
    const models::DesiredLRP& desired = process.desired->lrp;
    auto instance = process.instances.begin();
    for (std::int32_t index = 0; index < desired.instances(); ++index) {
      while (instance != process.instances.end() && instance->index < index) ++instance;
      const bool there = instance != process.instances.end() && instance->index == index;
      if (there && (instance->lrps.ordinary() || is_taken_back(instance->lrps))) continue;
      settled_ = false;
      plan_.missing.push_back(models::actual_lrp_key(guid, index, desired.domain()));
    }
  }

  // A suspect that becomes ordinary in this very run.
  bool is_taken_back(const LRPSet& lrps) const { return lrps.suspect() && is_back(lrps); }

  const Records& records_;
  const CellIds& cells_;
  const std::int64_t now_;
  LRPConvergence plan_;
  std::unordered_set<const ActualLRPRecord*> on_missing_cells_;
  Records::Guids touched_by_cells_;
  bool crashing_ = false;  // of the current process
  bool settled_ = false;
};

class TaskPlanner {
 public:
  TaskPlanner(const CellIds& cells, std::int64_t now, const TaskDurations& durations)
      : cells_(cells), now_(now), durations_(durations) {}

  void look_at(const TaskPtr& task) {
    switch (task->task.state()) {
      case models::Task::Pending:
        ++plan_.counts.pending;
        (is_older(task->task.created_at(), durations_.expire_pending) ? plan_.expired_pending : plan_.pending)
            .push_back(task);
        break;
      case models::Task::Running:
        ++plan_.counts.running;
        if (!cells_.contains(task->task.cell_id())) plan_.lost.push_back(task);
        break;
      case models::Task::Completed:
        ++plan_.counts.completed;
        look_at_completed(task);
        break;
      case models::Task::Resolving:
        ++plan_.counts.resolving;
        if (!is_older(task->task.updated_at(), durations_.kick)) break;
        plan_.stuck_resolving.push_back(task);
        look_at_completed(task);  // its state from here on
        break;
      default:  // Invalid, or a value of a later version
        break;
    }
  }

  TaskConvergence take() { return std::move(plan_); }

 private:
  bool is_older(std::int64_t time, std::chrono::nanoseconds limit) const { return time < now_ - limit.count(); }

  void look_at_completed(const TaskPtr& task) {
    if (is_older(task->task.first_completed_at(), durations_.expire_completed)) {
      plan_.expired_completed.push_back(task);
    } else if (is_older(task->task.updated_at(), durations_.kick) &&
               !task->task.task_definition().completion_callback_url().empty()) {
      plan_.unanswered.push_back(task);
    }
  }

  const CellIds& cells_;
  const std::int64_t now_;
  const TaskDurations& durations_;
  TaskConvergence plan_;
};

}  // namespace

LRPConvergence plan_lrp_convergence(const Records& records, const CellIds& cells, base::Timestamp now, Scope scope) {
  return LRPPlanner(records, cells, now).plan(scope);
}

LRPConvergence caused_by_cells(LRPConvergence plan) {
  LRPConvergence part;
  part.lost_evacuating = std::move(plan.lost_evacuating);
  part.lost = std::move(plan.lost);
  part.returned = std::move(plan.returned);
  return part;
}

TaskConvergence caused_by_cells(TaskConvergence plan) {
  TaskConvergence part;
  part.lost = std::move(plan.lost);
  return part;
}

TaskConvergence plan_task_convergence(const Records& records, const CellIds& cells, base::Timestamp now,
                                      const TaskDurations& durations) {
  TaskPlanner planner(cells, base::to_unix_nanos(now), durations);
  for (const auto& [guid, task] : records.tasks()) planner.look_at(task);
  return planner.take();
}

}  // namespace rivera::bbs
