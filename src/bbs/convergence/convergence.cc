#include "bbs/convergence/convergence.h"

#include <algorithm>
#include <limits>
#include <unordered_set>

#include "bbs/records/prefetch.h"

namespace rivera::bbs {
namespace {

// An UNCLAIMED instance that the auction should have placed by now (§5.2, rule 4).
constexpr std::int64_t kStaleUnclaimed = 30'000'000'000;

class LRPPlanner {
 public:
  LRPPlanner(const Records& records, const CellIds& cells, base::Timestamp now)
      : records_(records), cells_(cells), now_(base::to_unix_nanos(now)) {}

  LRPConvergence plan(Examination& examination, const Portion& portion) {
    count_all();
    sort_domains();
    find_cells();
    instances_left_ = portion.instances;
    findings_allowed_ = portion.findings;
    for (; !examination.is_done() && has_room(); look_at_next(examination)) {
      if (ahead_.empty()) read_ahead(examination);
    }
    count_findings();
    return std::move(plan_);
  }

 private:
  static constexpr std::size_t kAhead = 8;           // processes
  static constexpr std::size_t kInstancesAhead = 8;  // of each of them

  bool has_room() const { return instances_left_ > 0 && findings() < findings_allowed_; }

  std::size_t findings() const {
    return plan_.lost_evacuating.size() + plan_.retire.size() + plan_.missing.size() + plan_.restart.size() +
           plan_.lost.size() + plan_.returned.size() + plan_.retire_suspects.size() + plan_.outdated_routes.size() +
           plan_.outdated_tags.size();
  }

  // Finds the next processes and prefetches what is looked at: it is scattered over the heap, and its cache misses
  // overlap only if they do not wait for one another.
  void read_ahead(const Examination& examination) {
    const std::size_t end = std::min(examination.next + kAhead, examination.guids.size());
    for (std::size_t i = end; i > examination.next; --i) ahead_.push_back(records_.process(examination.guids[i - 1]));
    for (const Process* process : ahead_) {
      if (process == nullptr) continue;
      prefetch(process->desired.get());
      for (std::size_t i = 0; i < std::min(kInstancesAhead, process->instances.size()); ++i) {
        prefetch(&process->instances[i]);
      }
    }
    for_each_lrp_ahead([](const ActualLRPRecord& lrp) { prefetch_bytes(&lrp, sizeof lrp); });
    for_each_lrp_ahead([](const ActualLRPRecord& lrp) {
      prefetch_text(lrp.wire);
      prefetch(&lrp.lrp.state());
    });
  }

  template <typename Visit>
  void for_each_lrp_ahead(Visit visit) const {
    for (const Process* process : ahead_) {
      if (process == nullptr) continue;
      for (std::size_t i = 0; i < std::min(kInstancesAhead, process->instances.size()); ++i) {
        const ActualLRPPtr& lrp = process->instances[i].lrps.ordinary();
        if (lrp) visit(*lrp);
      }
    }
  }

  void look_at_next(Examination& examination) {
    const std::string& guid = examination.guids[examination.next];
    const Process* process = ahead_.back();
    if (process && !look_at(guid, *process, examination)) return;
    ahead_.pop_back();
    ++examination.next;
    examination.index = 0;
    examination.is_crashing = false;
    if (instances_left_ > 0) --instances_left_;
  }

  // False if the portion ended within the process.
  bool look_at(const std::string& guid, const Process& process, Examination& examination) {
    // Its desired LRP cannot be read (§4.9): its instances are not orphans.
    if (!process.desired && records_.is_unreadable(RecordKind::kDesiredLRP, guid)) return true;
    crashing_ = examination.is_crashing;
    // A process that changes between two portions stays unsettled.
    settled_ = process.desired != nullptr && examination.index == 0;
    const std::int64_t desired = process.desired ? process.desired->lrp.instances() : 0;
    auto instance = process.instances.begin();
    if (examination.index > 0) {
      instance = std::lower_bound(instance, process.instances.end(), examination.index,
                                  [](const Instance& i, std::int64_t wanted) { return i.index < wanted; });
    }
    std::int64_t index = examination.index;
    while (instance != process.instances.end() || index < desired) {
      if (!has_room()) {
        examination.index = index;
        examination.is_crashing = crashing_;
        return false;
      }
      if (instances_left_ > 0) --instances_left_;
      const bool is_here = instance != process.instances.end() && (index >= desired || instance->index <= index);
      if (is_here) {
        look_at(process, *instance);
        index = std::max<std::int64_t>(index, instance->index);
      }
      const bool is_filled = is_here && (instance->lrps.ordinary() || is_taken_back(instance->lrps));
      if (index < desired && !is_filled) {
        settled_ = false;
        plan_.missing.push_back(
            models::actual_lrp_key(guid, static_cast<std::int32_t>(index), process.desired->lrp.domain()));
      }
      if (is_here) ++instance;
      ++index;
    }
    plan_.counts.crashing_desired += process.desired && crashing_;
    if (settled_) plan_.settled.push_back(guid);
    return true;
  }

  void count_findings() {
    auto& counts = plan_.counts;
    counts.missing = static_cast<std::int64_t>(plan_.missing.size());
    counts.extra = static_cast<std::int64_t>(plan_.retire.size());
    counts.restarted = static_cast<std::int64_t>(plan_.restart.size());
    counts.lost = static_cast<std::int64_t>(plan_.lost.size());
    counts.returned = static_cast<std::int64_t>(plan_.returned.size());
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
  bool is_present(const ActualLRPPtr& lrp) const {
    return missing_cells_.empty() || !missing_cells_.contains(cell_id(*lrp));
  }

  void find_cells() {
    plan_.counts.present_cells = static_cast<std::int64_t>(cells_.size());
    for (const auto& [cell, lrps] : records_.cells()) {
      if (!cells_.contains(cell)) missing_cells_.insert(cell);
    }
    plan_.counts.missing_cells = static_cast<std::int64_t>(missing_cells_.size());
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
    const ActualLRPRecord::MetricTags tags = lrp->metric_tags();
    const bool tags_differ = !tags.empty() && !are_wanted(tags, desired, *lrp);
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

  static bool are_wanted(const ActualLRPRecord::MetricTags& tags, const DesiredLRPRecord& desired,
                         const ActualLRPRecord& lrp) {
    const auto& wanted = desired.lrp.metric_tags();
    return tags.size() == wanted.size() && std::all_of(tags.begin(), tags.end(), [&](const auto& tag) {
             const auto found = wanted.find(tag.first);
             return found != wanted.end() && matches(tag.second, found->second, lrp);
           });
  }

  static bool matches(std::string_view text, const models::MetricTagValue& tag, const ActualLRPRecord& lrp) {
    switch (tag.dynamic()) {
      case models::MetricTagValue::INDEX:
        return text == std::to_string(instance_index(lrp));
      case models::MetricTagValue::INSTANCE_GUID:
        return text == lrp.lrp.actual_lrp_instance_key().instance_guid();
      default:  // open enum: anything else is a static text
        return text == tag.static_();
    }
  }

  // A suspect that becomes ordinary in this very run.
  bool is_taken_back(const LRPSet& lrps) const { return lrps.suspect() && is_back(lrps); }

  const Records& records_;
  const CellIds& cells_;
  const std::int64_t now_;
  LRPConvergence plan_;
  std::vector<const Process*> ahead_;  // the next ones of the examination, in reverse
  std::unordered_set<std::string_view> missing_cells_;
  std::size_t instances_left_ = 0, findings_allowed_ = 0;
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

Examination processes_to_examine(const Records& records, const CellIds& cells, std::optional<Slice> slice) {
  Examination examination;
  std::vector<std::string>& guids = examination.guids;
  const Records::Guids& unsettled = records.unsettled();
  guids.assign(unsettled.begin(), unsettled.end());
  std::unordered_set<std::string_view> more;  // processes that are settled
  for (const auto& [cell, lrps] : records.cells()) {
    if (cells.contains(cell)) continue;
    for (const ActualLRPPtr& lrp : lrps) {
      if (!unsettled.contains(process_guid(*lrp))) more.insert(process_guid(*lrp));
    }
  }
  if (slice) {
    const auto& processes = records.processes();
    const std::size_t end = processes.bucket_count() * (slice->number + 1) / slice->count;
    for (std::size_t bucket = processes.bucket_count() * slice->number / slice->count; bucket < end; ++bucket) {
      for (auto process = processes.begin(bucket); process != processes.end(bucket); ++process) {
        const bool is_new = !unsettled.contains(process->first) && !more.contains(process->first);
        if (is_new) guids.push_back(process->first);
      }
    }
  }
  guids.insert(guids.end(), more.begin(), more.end());
  return examination;
}

LRPConvergence plan_next(const Records& records, const CellIds& cells, base::Timestamp now, Examination& examination,
                         const Portion& portion) {
  return LRPPlanner(records, cells, now).plan(examination, portion);
}

LRPConvergence plan_lrp_convergence(const Records& records, const CellIds& cells, base::Timestamp now, Scope scope) {
  Examination all =
      processes_to_examine(records, cells, scope == Scope::kAll ? std::optional<Slice>(Slice{}) : std::nullopt);
  constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();
  return plan_next(records, cells, now, all, {kNoLimit, kNoLimit});
}

void TaskFindings::add(const TaskConvergence& plan) {
  counts.pending += plan.counts.pending;
  counts.running += plan.counts.running;
  counts.completed += plan.counts.completed;
  counts.resolving += plan.counts.resolving;
  pruned += plan.expired_completed.size();
  kicked += plan.stuck_resolving.size() + plan.unanswered.size() + plan.pending.size();
}

LRPConvergence caused_by_cells(LRPConvergence plan) {
  LRPConvergence part;
  part.lost_evacuating = std::move(plan.lost_evacuating);
  part.lost = std::move(plan.lost);
  part.returned = std::move(plan.returned);
  part.counts = plan.counts;
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

TaskConvergence plan_task_convergence(const Records& records, std::span<const TaskPtr> tasks, const CellIds& cells,
                                      base::Timestamp now, const TaskDurations& durations) {
  TaskPlanner planner(cells, base::to_unix_nanos(now), durations);
  for (const TaskPtr& task : tasks) {
    if (records.task(task->task.task_guid()) == task) planner.look_at(task);
  }
  return planner.take();
}

}  // namespace rivera::bbs
