// What is out of order among the records, and what to do about it (docs/spec/bbs.md §5). Pure: records, cells and the
// time in, a plan out; Board carries the plan out.
#pragma once

#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "bbs/records/records.h"

namespace rivera::bbs {

using CellIds = std::set<std::string, std::less<>>;

// Every list holds records of the state the plan was made from.
struct LRPConvergence {
  std::vector<ActualLRPPtr> lost_evacuating;  // on a cell that is gone: delete
  std::vector<ActualLRPPtr> retire;           // too many, or not desired any more
  std::vector<models::ActualLRPKey> missing;  // desired, without a record
  std::vector<ActualLRPPtr> restart;          // stale UNCLAIMED and due CRASHED ones: auction
  std::vector<ActualLRPPtr> lost;             // ordinary ones on a cell that is gone
  std::vector<ActualLRPPtr> returned;         // suspects whose cell is back: make ordinary
  std::vector<ActualLRPPtr> retire_suspects;  // not desired any more, or replaced
  std::vector<ActualLRPPtr> outdated_routes;  // running with other internal routes than desired
  std::vector<ActualLRPPtr> outdated_tags;    // running with other metric tags than desired
  std::vector<std::string> expired_domains;

  // What the metrics of §7.2 tell.
  struct Counts {
    std::int64_t unclaimed = 0, claimed = 0, running = 0, crashed = 0;
    std::int64_t suspect_running = 0, suspect_claimed = 0;
    std::int64_t desired = 0, crashing_desired = 0;
    std::int64_t present_cells = 0, missing_cells = 0;
  };
  Counts counts;
  std::vector<std::string> fresh_domains;
  // Processes that need no look before their next change.
  std::vector<std::string> settled;
};

// Which processes are looked at.
enum class Scope {
  kUnsettled,  // those that may have something out of order: the others have not changed since they had nothing
  kAll,        // every one: the safety net under the other
};

// Both scopes give the same plan, but for the order. Takes no account of a cell list's plausibility: an empty one makes
// every cell missing. O(processes looked at, instances on missing cells); no allocation for what is in order.
LRPConvergence plan_lrp_convergence(const Records& records, const CellIds& cells, base::Timestamp now,
                                    Scope scope = Scope::kAll);

// Of a plan, what cells that went or came back have caused, and nothing that has a pace of its own (§9.3).
LRPConvergence caused_by_cells(LRPConvergence plan);

struct TaskDurations {
  std::chrono::nanoseconds kick = std::chrono::seconds(30);
  std::chrono::nanoseconds expire_pending = std::chrono::minutes(30);
  std::chrono::nanoseconds expire_completed = std::chrono::seconds(120);
};

struct TaskConvergence {
  std::vector<TaskPtr> expired_pending;    // fail: "not started within time limit"
  std::vector<TaskPtr> pending;            // auction again
  std::vector<TaskPtr> lost;               // running on a cell that is gone: fail
  std::vector<TaskPtr> stuck_resolving;    // back to Completed; may then be in one of the next two as well
  std::vector<TaskPtr> expired_completed;  // delete
  std::vector<TaskPtr> unanswered;         // Completed for a while: call back

  struct Counts {
    std::int64_t pending = 0, running = 0, completed = 0, resolving = 0;
  };
  Counts counts;
};

TaskConvergence plan_task_convergence(const Records& records, const CellIds& cells, base::Timestamp now,
                                      const TaskDurations& durations);
TaskConvergence caused_by_cells(TaskConvergence plan);

}  // namespace rivera::bbs
