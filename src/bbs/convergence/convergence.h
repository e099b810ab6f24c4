// Finds the records that need repair and plans the repair (docs/spec/bbs.md §5). Pure: takes records, cells and the
// time, returns a plan. The Board executes the plan.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "bbs/records/records.h"

namespace rivera::bbs {

using CellIds = std::set<std::string, std::less<>>;

// Every list holds records of the state the plan was made from.
struct LRPConvergence {
  std::vector<ActualLRPPtr> lost_evacuating;  // on a missing cell: delete
  std::vector<ActualLRPPtr> retire;           // surplus, or no longer desired
  std::vector<models::ActualLRPKey> missing;  // desired, without a record
  std::vector<ActualLRPPtr> restart;          // stale UNCLAIMED and due CRASHED ones: auction
  std::vector<ActualLRPPtr> lost;             // ordinary LRPs on a missing cell
  std::vector<ActualLRPPtr> returned;         // suspects whose cell returned: make ordinary
  std::vector<ActualLRPPtr> retire_suspects;  // no longer desired, or replaced
  std::vector<ActualLRPPtr> outdated_routes;  // running with other internal routes than desired
  std::vector<ActualLRPPtr> outdated_tags;    // running with other metric tags than desired
  std::vector<std::string> expired_domains;

  // The values of the metrics of §7.2.
  struct Counts {
    std::int64_t unclaimed = 0, claimed = 0, running = 0, crashed = 0;
    std::int64_t suspect_running = 0, suspect_claimed = 0;
    std::int64_t desired = 0, crashing_desired = 0;
    std::int64_t present_cells = 0, missing_cells = 0;
    // The sizes of the lists.
    std::int64_t missing = 0, extra = 0, restarted = 0, lost = 0, returned = 0;
  };
  Counts counts;
  std::vector<std::string> fresh_domains;
  // Processes that need no examination before their next change.
  std::vector<std::string> settled;
};

// The processes that one run examines, and how far it has come. A run is divided into portions, between which other
// operations may change the records.
struct Examination {
  std::vector<std::string> guids;
  std::size_t next = 0;      // in `guids`
  std::int64_t index = 0;    // from which the next process is examined; not 0 if a portion ended within it
  bool is_crashing = false;  // whether an instance below `index` is
  bool is_done() const { return next == guids.size(); }
};

// How much one portion examines at most, about: instances, and findings, each of which costs the Board some work.
struct Portion {
  std::size_t instances = 50'000;
  std::size_t findings = 1'000;
};

// A slice of all processes, in the order of the index of records: number `number` of `count`.
struct Slice {
  std::size_t number = 0;
  std::size_t count = 1;
};

// The processes that may need repair: all others are unchanged since they needed none. Besides, those of `slice`, in
// case one was missed. O(those).
Examination processes_to_examine(const Records& records, const CellIds& cells, std::optional<Slice> slice);

// The plan for the next portion of `examination`. Domains are judged and counted each time.
LRPConvergence plan_next(const Records& records, const CellIds& cells, base::Timestamp now, Examination& examination,
                         const Portion& portion);

// Which processes are examined.
enum class Scope {
  kUnsettled,  // only those that may need repair: all others are unchanged since they needed none
  kAll,        // every process, in case kUnsettled missed one
};

// The whole plan in one portion. Both scopes give the same plan except for the order. Does not judge whether a list of
// cells is plausible: with an empty one every cell is missing. O(examined processes + instances on missing cells); does
// not allocate for processes that need no repair.
LRPConvergence plan_lrp_convergence(const Records& records, const CellIds& cells, base::Timestamp now,
                                    Scope scope = Scope::kAll);

// The part of a plan that lost or returned cells cause, without what has an interval of its own (§9.3).
LRPConvergence caused_by_cells(LRPConvergence plan);

struct TaskDurations {
  std::chrono::nanoseconds kick = std::chrono::seconds(30);
  std::chrono::nanoseconds expire_pending = std::chrono::minutes(30);
  std::chrono::nanoseconds expire_completed = std::chrono::seconds(120);
};

struct TaskConvergence {
  std::vector<TaskPtr> expired_pending;    // fail: "not started within time limit"
  std::vector<TaskPtr> pending;            // auction again
  std::vector<TaskPtr> lost;               // running on a missing cell: fail
  std::vector<TaskPtr> stuck_resolving;    // back to Completed; may also be in one of the next two
  std::vector<TaskPtr> expired_completed;  // delete
  std::vector<TaskPtr> unanswered;         // Completed, callback due

  struct Counts {
    std::int64_t pending = 0, running = 0, completed = 0, resolving = 0;
  };
  Counts counts;
};

TaskConvergence plan_task_convergence(const Records& records, const CellIds& cells, base::Timestamp now,
                                      const TaskDurations& durations);
// The plan for some of the tasks: those that are still as they are in `tasks`.
TaskConvergence plan_task_convergence(const Records& records, std::span<const TaskPtr> tasks, const CellIds& cells,
                                      base::Timestamp now, const TaskDurations& durations);
TaskConvergence caused_by_cells(TaskConvergence plan);

// What a run over all tasks has found.
struct TaskFindings {
  TaskConvergence::Counts counts;
  std::size_t pruned = 0, kicked = 0;

  // `plan`: for some of them.
  void add(const TaskConvergence& plan);
};

}  // namespace rivera::bbs
