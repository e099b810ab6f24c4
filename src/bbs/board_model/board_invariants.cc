#include "bbs/board_model/board_invariants.h"

#include <set>

#include "bbs/board_model/board_model.h"

namespace rivera::bbs {
namespace {

using models::ActualLRP;

template <typename Visit>
void for_each_row(const Records& records, Visit visit) {
  for (const auto& [guid, process] : records.processes()) {
    for (const Instance& instance : process.instances) {
      for (const ActualLRPPtr& row : instance.lrps.slots) {
        if (row) visit(guid, instance.index, row);
      }
    }
  }
}

// A row without its presence.
std::string content_of(const ActualLRPRecord& record) {
  ActualLRP lrp = record.whole();
  lrp.set_presence(ActualLRP::ORDINARY);
  return describe(lrp);
}

bool is_anywhere(const LRPSet& lrps, const std::string& epoch) {
  for (const ActualLRPPtr& row : lrps.slots) {
    if (row && row->lrp.modification_tag().epoch() == epoch) return true;
  }
  return false;
}

bool is_fresh(const Records& records, const std::string& domain) { return records.domain(domain) != nullptr; }

std::optional<std::string> why_removal_is_wrong(const ActualLRPRecord& row, const Records& before, const Records& after,
                                                const CellIds& cells) {
  const std::string& guid = process_guid(row);
  const LRPSet was = before.lrps(guid, instance_index(row));
  const LRPSet is = after.lrps(guid, instance_index(row));
  const DesiredLRPPtr desired = after.desired_lrp(guid);
  switch (row.lrp.presence()) {
    case ActualLRP::EVACUATING:
      if (cells.contains(cell_id(row))) return "an evacuating LRP on a present cell was removed";
      return std::nullopt;
    case ActualLRP::SUSPECT: {
      const bool is_replaced = was.ordinary() && is_in_state(*was.ordinary(), "RUNNING");
      const bool is_orphan = !desired && is_fresh(after, row.lrp.actual_lrp_key().domain());
      if (!is_replaced && !is_orphan) return "a suspect was removed before its replacement ran";
      return std::nullopt;
    }
    default: {
      const bool gave_way = was.suspect() && is_anywhere(is, was.suspect()->lrp.modification_tag().epoch());
      const bool is_wanted = desired && instance_index(row) < desired->lrp.instances();
      const std::string& domain = desired ? desired->lrp.domain() : row.lrp.actual_lrp_key().domain();
      if (!gave_way && (is_wanted || !is_fresh(after, domain))) return "removed though wanted, or in a stale domain";
      return std::nullopt;
    }
  }
}

}  // namespace

std::optional<std::string> BoardInvariants::check_changes(const Outcome& outcome, base::Timestamp now) {
  for (const Change& change : outcome.changes) {
    const auto* swap = std::get_if<Swap<ActualLRPRecord>>(&change);
    if (!swap || !swap->after) continue;
    const ActualLRP& after = swap->after->lrp;
    const std::string& epoch = epoch_of(*swap->after);
    const auto known = last_.find(epoch);
    const bool is_now = after.since() == base::to_unix_nanos(now);
    if (known == last_.end()) {
      if (epoch.empty() || after.modification_tag().index() != 0) return "a new tag does not begin afresh";
      if (!is_now) return "a new row's since is not now";
    } else {
      const ActualLRP& before = known->second->lrp;
      const bool is_same = content_of(*known->second) == content_of(*swap->after);
      const auto expected = before.modification_tag().index() + (is_same ? 0 : 1);
      if (after.modification_tag().index() != expected)
        return "a tag's index does not count changes: " + describe(after);
      if (!is_same && !is_now) return "since is not the time of the change: " + describe(after);
    }
    last_[epoch] = swap->after;
  }
  return std::nullopt;
}

std::optional<std::string> BoardInvariants::check_rows(const Records& records) {
  std::set<std::string> epochs;
  std::size_t rows = 0, on_cells = 0, indexed = 0;
  std::optional<std::string> problem;
  for_each_row(records, [&](const std::string& guid, std::int32_t index, const ActualLRPPtr& row) {
    ++rows;
    if (process_guid(*row) != guid || instance_index(*row) != index) problem = "a row is in another's place";
    if (records.lrps(guid, index).slots[row->lrp.presence()] != row) problem = "a row is in another presence's slot";
    if (!epochs.insert(epoch_of(*row)).second) problem = "two rows have one epoch";
    if (models::is_empty(row->lrp.actual_lrp_instance_key()) == is_on_a_cell(*row)) problem = "a key without a cell";
    if (cell_id(*row).empty()) return;
    ++on_cells;
    if (!records.lrps_on_cell(cell_id(*row)).contains(row)) problem = "a row is missing in its cell's index";
  });
  for (const auto& [cell, lrps] : records.cells()) indexed += lrps.size();
  if (rows != records.actual_lrp_count()) problem = "rows are miscounted";
  if (on_cells != indexed) problem = "a cell's index holds what is gone";
  return problem;
}

std::optional<std::string> BoardInvariants::check_removals(const Outcome& outcome, const Records& before,
                                                           const Records& after, const CellIds& cells) {
  for (const Change& change : outcome.changes) {
    const auto* swap = std::get_if<Swap<ActualLRPRecord>>(&change);
    if (!swap || !swap->before || swap->after) continue;
    const ActualLRPRecord& row = *swap->before;
    if (is_anywhere(after.lrps(process_guid(row), instance_index(row)), epoch_of(row))) continue;  // moved
    if (auto problem = why_removal_is_wrong(row, before, after, cells)) return *problem + ": " + describe(row.whole());
  }
  return std::nullopt;
}

std::optional<std::string> BoardInvariants::check_idempotence(Board& board, const CellIds& cells, base::Timestamp now) {
  const Outcome again = board.converge_lrps(plan_lrp_convergence(board.records(), cells, now), cells, now);
  if (again.changes.empty() && again.events.empty()) return std::nullopt;
  return "a second convergence changed " + subject_of(again.changes.front());
}

std::optional<std::string> BoardInvariants::check_one_at_a_time(const Outcome& outcome, const Records& after) {
  for (const Change& change : outcome.changes) {
    const auto* swap = std::get_if<Swap<ActualLRPRecord>>(&change);
    if (!swap || !swap->before || !swap->after) continue;
    const DesiredLRPPtr desired = after.desired_lrp(process_guid(*swap->before));
    if (!desired || desired->lrp.update_strategy() != models::DesiredLRP::RECREATE) continue;
    if (!is_in_state(*swap->before, "RUNNING") || is_in_state(*swap->after, "RUNNING")) continue;
    int running = 0;
    for (const Instance& instance : after.process(process_guid(*swap->before))->instances) {
      running += instance.lrps.ordinary() && is_in_state(*instance.lrps.ordinary(), "RUNNING");
    }
    if (running < desired->lrp.instances() - 1) return "two instances are down at once";
  }
  return std::nullopt;
}

}  // namespace rivera::bbs
