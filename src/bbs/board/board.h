// The BBS's model and its rules: every state transition of docs/spec/bbs.md §4 and §5.
//
// Passive and pure: an operation takes a validated request and the time, changes the records, and returns the result.
// It does no I/O, reads no clock and has no randomness of its own: the guids of new records come from a source that it
// is given. The Ledger makes the changes durable or reverts them. Owned by the Ledger, used on
// its strand only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "bbs/board/outcome.h"
#include "bbs/convergence/convergence.h"
#include "bbs/events/lrp_events.h"
#include "bbs/records/records.h"

namespace rivera::bbs {

struct BoardOptions {
  std::int32_t max_task_retries = 3;
  // The most instances of a process that one operation creates, stops or updates: about ten milliseconds of work for
  // the Board, the Ledger and the streams. What is left is in Outcome::rest.
  std::int32_t portion = 1000;
};

// Makes a guid that no other record has.
using MakeGuid = std::function<std::string()>;

class Board {
 public:
  Board(BoardOptions options, MakeGuid make_guid) : options_(options), make_guid_(std::move(make_guid)) {}

  const Records& records() const { return records_; }
  // For loading, and to revert what could not be made durable.
  void load(Records records) { records_ = std::move(records); }
  void revert(const Change& change) { records_.revert(change); }
  void mark_unreadable(UnreadableRecord record) { records_.mark_unreadable(std::move(record)); }
  void forget_unreadable(const RecordKey& key) { records_.forget_unreadable(key); }
  void clear() { records_.clear(); }

  // Domains (§4.2). `ttl` in seconds, 0 = without end.
  Outcome upsert_domain(const models::UpsertDomainRequest& request, base::Timestamp now);

  // Desired LRPs (§4.3).
  Outcome desire_lrp(const models::DesiredLRP& desired, base::Timestamp now, const std::string& trace_id);
  Outcome update_desired_lrp(const models::UpdateDesiredLRPRequest& request, base::Timestamp now,
                             const std::string& trace_id);
  Outcome remove_desired_lrp(const std::string& process_guid, const std::string& trace_id);

  // The next portion of what an operation of these left. Depends on the present records only: other operations may have
  // come in between.
  Outcome proceed(std::vector<Rest> rest, base::Timestamp now);

  // Actual LRPs (§4.5).
  Outcome claim(const models::ClaimActualLRPRequest& request, base::Timestamp now);
  Outcome start(const models::StartActualLRPRequest& request, base::Timestamp now);
  Outcome crash(const models::CrashActualLRPRequest& request, base::Timestamp now);
  Outcome fail(const models::FailActualLRPRequest& request, base::Timestamp now);
  Outcome remove(const models::RemoveActualLRPRequest& request);
  // Deletes the instance if it is on no cell; otherwise leaves it and returns a StopInstance follow-up. If that cell is
  // missing, call remove_if_unchanged() with the follow-up.
  Outcome retire(const models::ActualLRPKey& key, const std::string& trace_id);
  Outcome remove_if_unchanged(const ActualLRPPtr& lrp, const std::string& trace_id);

  // Evacuation (§4.6). `answer` is keep_container.
  Outcome evacuate_claimed(const models::EvacuateClaimedActualLRPRequest& request, base::Timestamp now);
  Outcome evacuate_crashed(const models::EvacuateCrashedActualLRPRequest& request, base::Timestamp now);
  Outcome evacuate_stopped(const models::EvacuateStoppedActualLRPRequest& request);
  Outcome evacuate_running(const models::EvacuateRunningActualLRPRequest& request, base::Timestamp now);
  Outcome remove_evacuating(const models::RemoveEvacuatingActualLRPRequest& request);

  // Tasks (§4.7). start_task's `answer` is should_start.
  Outcome desire_task(const models::DesireTaskRequest& request, base::Timestamp now, const std::string& trace_id);
  Outcome start_task(const models::StartTaskRequest& request, base::Timestamp now);
  Outcome complete_task(const models::CompleteTaskRequest& request, base::Timestamp now);
  Outcome cancel_task(const std::string& task_guid, base::Timestamp now, const std::string& trace_id);
  Outcome fail_task(const std::string& task_guid, const std::string& reason, base::Timestamp now);
  Outcome reject_task(const models::RejectTaskRequest& request, base::Timestamp now);
  Outcome resolving_task(const std::string& task_guid, base::Timestamp now);
  Outcome delete_task(const std::string& task_guid);

  // Convergence (§5): executes the plan of convergence.h. All rules see one state.
  Outcome converge_lrps(const LRPConvergence& plan, const CellIds& cells, base::Timestamp now);
  Outcome converge_tasks(const TaskConvergence& plan, base::Timestamp now);

  // Applies changes that another writer made in the store; each `before` is the record held here. Subscribers receive
  // the same events as for a change made here. Convergence handles the consequences (§9.5).
  Outcome adopt(const std::vector<Change>& changes);

 private:
  template <typename Record>
  void swap(Outcome& outcome, std::shared_ptr<const Record> before, std::shared_ptr<const Record> after) {
    outcome.changes.push_back(Swap<Record>{std::move(before), std::move(after)});
    records_.apply(outcome.changes.back());
  }

  // Actual LRPs (board_actual_lrps.cc).
  void create_unclaimed(Outcome& outcome, const models::ActualLRPKey& key, base::Timestamp now,
                        const std::string& trace_id);
  void remove_lrp(Outcome& outcome, const ActualLRPPtr& lrp, const std::string& trace_id = "");
  // The crash rule of §4.5. `is_call`: a Crash and not an evacuation. Returns whether it is to be restarted at once.
  bool crash_lrp(Outcome& outcome, const ActualLRPPtr& lrp, const std::string& reason, base::Timestamp now,
                 bool is_call);
  // Unclaims and auctions.
  void reschedule(Outcome& outcome, const ActualLRPPtr& lrp, base::Timestamp now);
  // False if it is not desired.
  bool request_auction(Outcome& outcome, const models::ActualLRPKey& key) const;

  // Desired LRPs (board_desired_lrps.cc).
  void advance(Outcome& outcome, std::vector<Rest> work, base::Timestamp now);
  // Each takes one portion of `work` from `budget` (instances), and leaves in `work` what remains. True: nothing does.
  bool create_instances(Outcome& outcome, Rest& work, std::int32_t& budget, base::Timestamp now);
  bool stop_instances(Outcome& outcome, Rest& work, std::int32_t& budget);
  bool update_instances(Outcome& outcome, Rest& work, std::int32_t& budget) const;

  // Evacuation (board_evacuation.cc).
  void evacuate_rolling(Outcome& outcome, const LRPSet& lrps, const ActualLRPPtr& target,
                        const models::EvacuateRunningActualLRPRequest& request, base::Timestamp now);
  void evacuate_recreate(Outcome& outcome, const ActualLRPPtr& target, const DesiredLRPRecord& desired,
                         base::Timestamp now);
  void keep_evacuating(Outcome& outcome, const LRPSet& lrps, const models::EvacuateRunningActualLRPRequest& request,
                       base::Timestamp now);
  void hand_over(Outcome& outcome, const LRPSet& lrps, const ActualLRPPtr& target, base::Timestamp now);

  // Tasks (board_tasks.cc).
  TaskPtr replace(Outcome& outcome, const TaskPtr& before, models::Task after);
  TaskPtr complete(Outcome& outcome, const TaskPtr& task, models::Task after);
  TaskPtr fail(Outcome& outcome, const TaskPtr& task, std::string_view reason, base::Timestamp now);
  void remove_task(Outcome& outcome, const TaskPtr& task);

  // Convergence (board_convergence.cc).
  using Auctions = std::map<std::string, std::vector<std::int32_t>>;  // process guid to indices
  void retire_all(Outcome& outcome, const LRPConvergence& plan, const CellIds& cells);
  void restart(Outcome& outcome, Auctions& auctions, const ActualLRPPtr& lrp, base::Timestamp now);
  void replace_lost(Outcome& outcome, Auctions& auctions, const ActualLRPPtr& lrp, base::Timestamp now);
  void take_back(Outcome& outcome, const ActualLRPPtr& suspect);
  void update_outdated(Outcome& outcome, const LRPConvergence& plan) const;

  BoardOptions options_;
  MakeGuid make_guid_;
  Records records_;
};

}  // namespace rivera::bbs
