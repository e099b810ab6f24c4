// docs/spec/bbs.md §5.2 and §5.3, index by index on one consistent state, and §5.5.
#include <set>

#include "bbs/board_model/board_model.h"
#include "models/nouns/desired_lrp.h"

namespace rivera::bbs {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// The table "Restart policy" of §4.5.
bool is_restart_due(int count, std::int64_t since, std::int64_t now) {
  if (count >= 200) return false;
  const std::int64_t waits[] = {30, 60, 120, 240, 480, 960};
  const std::int64_t wait = count < 3 ? 0 : waits[std::min(count - 3, 5)];
  return now >= since + wait * kSecond;
}

std::set<std::string> hosts_of(const models::ActualLRP& row) {
  std::set<std::string> hosts;
  for (const auto& route : row.actual_lrp_internal_routes()) hosts.insert(route.hostname());
  return hosts;
}

}  // namespace

ModelOutcome BoardModel::converge_lrps(const Cells& cells, base::Timestamp now) {
  ModelOutcome outcome;
  std::erase_if(domains, [now](const auto& domain) { return domain.second <= base::to_unix_nanos(now); });  // rule 1
  std::map<std::string, std::set<std::int32_t>> indices;
  for (const auto& [slot, row] : lrps) indices[slot.process_guid].insert(slot.index);
  for (const auto& [guid, lrp] : desired) {
    for (std::int32_t index = 0; index < lrp.instances(); ++index) indices[guid].insert(index);
  }
  for (const auto& [guid, of_process] : indices) {
    std::vector<std::int32_t> auctions;
    for (const std::int32_t index : of_process) converge_index(outcome, guid, index, cells, now, auctions);
    auction(outcome, guid, auctions);
  }
  return outcome;
}

void BoardModel::converge_index(ModelOutcome& outcome, const std::string& guid, std::int32_t index, const Cells& cells,
                                base::Timestamp now, std::vector<std::int32_t>& auctions) {
  const Rows before = rows(guid, index);
  const auto& evacuating = before[LRP::EVACUATING];
  if (evacuating && !cells.contains(evacuating->actual_lrp_instance_key().cell_id())) {
    remove(outcome, *evacuating);  // rule 2
  }
  if (before[LRP::SUSPECT] && converge_suspect(outcome, *before[LRP::SUSPECT], cells)) return;
  const auto lrp = desired.find(guid);
  if (before[LRP::ORDINARY]) {
    if (converge_ordinary(outcome, *before[LRP::ORDINARY], cells, now)) auctions.push_back(index);
  } else if (lrp != desired.end() && index < lrp->second.instances()) {
    create(outcome, models::actual_lrp_key(guid, index, lrp->second.domain()), now, "");  // rule 6
    auctions.push_back(index);
  }
}

// Rules 8, 9 and 10, in this order of precedence. True if the suspect has taken its place back.
bool BoardModel::converge_suspect(ModelOutcome& outcome, const LRP& suspect, const Cells& cells) {
  const auto& key = suspect.actual_lrp_key();
  const Rows before = rows(key.process_guid(), key.index());
  const auto& ordinary = before[LRP::ORDINARY];
  const bool orphaned = !desired.contains(key.process_guid()) && is_fresh(key.domain());
  const bool replaced = suspect.state() == "RUNNING" && ordinary && ordinary->state() == "RUNNING";
  if (orphaned || replaced) {
    remove(outcome, suspect);
    return false;
  }
  if (!cells.contains(suspect.actual_lrp_instance_key().cell_id())) return false;
  LRP promoted = suspect;
  promoted.set_presence(LRP::ORDINARY);
  erase(suspect);
  put(promoted);
  if (ordinary) {  // Removed(replacement), also on the group stream
    add_instance_events(outcome, {{*ordinary, std::nullopt}});
    Rows replacement;
    replacement[LRP::ORDINARY] = ordinary;
    add_group_events(outcome, replacement, {});
  }
  add_instance_events(outcome, {{suspect, promoted}});
  return true;
}

// Rules 4, 5, 6, 7, 12, 13 and 14. True if the instance is to be auctioned.
bool BoardModel::converge_ordinary(ModelOutcome& outcome, const LRP& row, const Cells& cells, base::Timestamp now) {
  const auto& key = row.actual_lrp_key();
  const auto lrp = desired.find(key.process_guid());
  const bool is_desired = lrp != desired.end();
  const bool is_present = cells.contains(row.actual_lrp_instance_key().cell_id());
  const bool is_extra = !is_desired || key.index() >= lrp->second.instances();
  if (is_extra && is_fresh(is_desired ? lrp->second.domain() : key.domain())) {
    if (models::is_on_a_cell(row) && is_present) {
      outcome.follow_ups.insert("stop " + describe(row) + " trace ");
    } else {
      remove(outcome, row);
    }
    return false;
  }
  if (!is_desired) return false;
  const std::int64_t at = base::to_unix_nanos(now);
  if (row.state() == "UNCLAIMED") return row.since() < at - 30 * kSecond;
  if (row.state() == "CRASHED") {
    if (!is_restart_due(row.crash_count(), row.since(), at)) return false;
    unclaim(outcome, row, now);
    return true;
  }
  if (!is_present) return replace_lost(outcome, row, now);
  if (row.state() == "RUNNING") {
    const auto names = models::internal_routes(lrp->second);
    const bool routes = hosts_of(row) != std::set<std::string>(names.begin(), names.end());
    const auto wanted =
        models::evaluated_tags(lrp->second.metric_tags(), key.index(), row.actual_lrp_instance_key().instance_guid());
    const std::map<std::string, std::string> known(row.metric_tags().begin(), row.metric_tags().end());
    const bool tags = !known.empty() && known != wanted;
    if (routes || tags) {
      BoardModel only;  // one row of the process: what update_reps() says of it
      only.put(row);
      only.update_reps(outcome, lrp->second, routes, tags, "");
    }
  }
  return false;
}

// The two rows "missing cell" of §5.3.
bool BoardModel::replace_lost(ModelOutcome& outcome, const LRP& row, base::Timestamp now) {
  const auto& key = row.actual_lrp_key();
  if (lrps.contains({key.process_guid(), key.index(), LRP::SUSPECT})) {
    unclaim(outcome, row, now);
    return false;
  }
  LRP suspect = row;
  suspect.set_presence(LRP::SUSPECT);
  const LRP replacement = unclaimed_row(key, now);
  put(suspect);
  put(replacement);
  add_instance_events(outcome, {{row, suspect}, {std::nullopt, replacement}});
  return true;
}

// §5.5.
ModelOutcome BoardModel::converge_tasks(const Cells& cells, base::Timestamp now) {
  ModelOutcome outcome;
  const std::int64_t at = base::to_unix_nanos(now);
  const auto all = tasks;
  for (const auto& [guid, task] : all) {
    if (task.state() == models::Task::Pending) {
      if (task.created_at() < at - std::int64_t{30} * 60 * kSecond) {
        complete_rule(outcome, task, true, "not started within time limit", "", now);
      } else {
        outcome.follow_ups.insert("auction-task " + guid + " trace ");
      }
      continue;
    }
    if (task.state() == models::Task::Running) {
      if (!cells.contains(task.cell_id())) {
        complete_rule(outcome, task, true, "cell disappeared before completion", "", now, true);
      }
      continue;
    }
    models::Task current = task;
    if (task.state() == models::Task::Resolving) {
      if (task.updated_at() >= at - 30 * kSecond) continue;
      current.set_state(models::Task::Completed);
      change(outcome, task, current);
    }
    if (current.first_completed_at() < at - 120 * kSecond) {
      erase(outcome, current);
    } else if (current.updated_at() < at - 30 * kSecond) {
      call_back(outcome, current);
    }
  }
  return outcome;
}

}  // namespace rivera::bbs
