// A slow, obvious model of the Board, for tests: docs/spec/bbs.md §3.7 to §3.9, §4 and §5 transcribed table by table,
// without the Board's indices, shared records and plans. board_property_test.cc drives both and compares them.
//
// Read it together with the spec. Where the spec leaves a choice or names a bug of upstream, the model follows §9.6,
// §10 and the notes below the tables.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "models/errors.h"
#include "models/models.h"
#include "models/nouns/actual_lrp.h"

namespace rivera::bbs {

// The texts in which model and Board are compared.
std::string describe(const models::ActualLRP& lrp);
std::string describe(const models::Task& task);
std::string describe(const models::DesiredLRP& lrp);

// The result of a call: the error, the answer (keep_container, should_start), the events of each hub about each
// subject, in order ("instances p/0" → "Created ..."), and the requests to other components, in any order.
struct ModelOutcome {
  std::optional<models::ModelError> error;
  bool answer = false;
  std::map<std::string, std::vector<std::string>> events;
  std::multiset<std::string> follow_ups;

  static ModelOutcome refused(models::ModelError why) {
    ModelOutcome outcome;
    outcome.error = std::move(why);
    return outcome;
  }
};

class BoardModel {
 public:
  using LRP = models::ActualLRP;
  using Cells = std::set<std::string, std::less<>>;

  // The rows. New modification tags have an epoch "~n~", which stands for the guid that the Board will have made.
  std::map<models::LRPSlot, LRP> lrps;
  std::map<std::string, models::DesiredLRP> desired;
  std::map<std::string, models::Task> tasks;
  std::map<std::string, std::int64_t> domains;  // expire_time
  std::int32_t max_task_retries = 3;

  // §4.2, §4.3
  ModelOutcome upsert_domain(const models::UpsertDomainRequest& request, base::Timestamp now);
  ModelOutcome desire_lrp(const models::DesiredLRP& request, base::Timestamp now, const std::string& trace);
  ModelOutcome update_desired_lrp(const models::UpdateDesiredLRPRequest& request, base::Timestamp now,
                                  const std::string& trace);
  ModelOutcome remove_desired_lrp(const std::string& guid, const std::string& trace);

  // §4.5
  ModelOutcome claim(const models::ClaimActualLRPRequest& request, base::Timestamp now);
  ModelOutcome start(const models::StartActualLRPRequest& request, base::Timestamp now);
  ModelOutcome crash(const models::CrashActualLRPRequest& request, base::Timestamp now);
  ModelOutcome fail(const models::FailActualLRPRequest& request, base::Timestamp now);
  ModelOutcome remove(const models::RemoveActualLRPRequest& request);
  ModelOutcome retire(const models::ActualLRPKey& key, const std::string& trace);
  ModelOutcome retire_without_cell(const models::ActualLRPKey& key, const std::string& trace);

  // §4.6
  ModelOutcome evacuate_claimed(const models::EvacuateClaimedActualLRPRequest& request, base::Timestamp now);
  ModelOutcome evacuate_crashed(const models::EvacuateCrashedActualLRPRequest& request, base::Timestamp now);
  ModelOutcome evacuate_stopped(const models::EvacuateStoppedActualLRPRequest& request);
  ModelOutcome evacuate_running(const models::EvacuateRunningActualLRPRequest& request, base::Timestamp now);
  ModelOutcome remove_evacuating(const models::RemoveEvacuatingActualLRPRequest& request);

  // §4.7
  ModelOutcome desire_task(const models::DesireTaskRequest& request, base::Timestamp now, const std::string& trace);
  ModelOutcome start_task(const models::StartTaskRequest& request, base::Timestamp now);
  ModelOutcome complete_task(const models::CompleteTaskRequest& request, base::Timestamp now);
  ModelOutcome cancel_task(const std::string& guid, base::Timestamp now, const std::string& trace);
  ModelOutcome fail_task(const std::string& guid, const std::string& reason, base::Timestamp now);
  ModelOutcome reject_task(const models::RejectTaskRequest& request, base::Timestamp now);
  ModelOutcome resolving_task(const std::string& guid, base::Timestamp now);
  ModelOutcome delete_task(const std::string& guid);

  // §5
  ModelOutcome converge_lrps(const Cells& cells, base::Timestamp now);
  ModelOutcome converge_tasks(const Cells& cells, base::Timestamp now);

 private:
  using Presence = LRP::Presence;
  using Rows = std::array<std::optional<LRP>, 3>;                  // of one guid and index, by presence
  using Pair = std::pair<std::optional<LRP>, std::optional<LRP>>;  // a row as it was and as it became

  // Rows (board_model.cc).
  Rows rows(const std::string& guid, std::int32_t index) const;
  void put(const LRP& row) { lrps[models::slot_of(row)] = row; }
  void erase(const LRP& row) { lrps.erase(models::slot_of(row)); }
  std::string new_epoch() { return "~" + std::to_string(++epochs_) + "~"; }
  LRP unclaimed_row(const models::ActualLRPKey& key, base::Timestamp now);

  // Events (board_model.cc). add_events() compares slot by slot; add_instance_events() is for rows that change their
  // presence.
  void add_events(ModelOutcome& outcome, const Rows& before, const Rows& after, const std::string& trace = "",
                  bool is_crash_call = false) const;
  void add_instance_events(ModelOutcome& outcome, const std::vector<Pair>& pairs, const std::string& trace = "",
                           bool is_crash_call = false) const;
  void add_group_events(ModelOutcome& outcome, const Rows& before, const Rows& after, bool is_crash_call = false) const;

  // Steps that several rules share.
  void create(ModelOutcome& outcome, const models::ActualLRPKey& key, base::Timestamp now, const std::string& trace);
  void remove(ModelOutcome& outcome, const LRP& row, const std::string& trace = "");
  void unclaim(ModelOutcome& outcome, const LRP& row, base::Timestamp now);
  bool crash_rule(ModelOutcome& outcome, const LRP& row, const std::string& reason, base::Timestamp now, bool is_call);
  void stop_from(ModelOutcome& outcome, const std::string& guid, std::int32_t first, const std::string& trace);
  void auction(ModelOutcome& outcome, const std::string& guid, const std::vector<std::int32_t>& indices,
               const std::string& trace = "") const;
  std::vector<std::int32_t> create_indices(ModelOutcome& outcome, const models::DesiredLRP& lrp, std::int32_t first,
                                           base::Timestamp now, const std::string& trace);
  void update_reps(ModelOutcome& outcome, const models::DesiredLRP& lrp, bool routes, bool tags,
                   const std::string& trace) const;

  // Evacuation (board_model_evacuation.cc).
  std::optional<LRP> target_of(const models::ActualLRPKey& key, const models::ActualLRPInstanceKey& instance) const;
  void evacuate_rolling(ModelOutcome& outcome, const models::EvacuateRunningActualLRPRequest& request,
                        base::Timestamp now);
  void evacuate_recreate(ModelOutcome& outcome, const models::EvacuateRunningActualLRPRequest& request,
                         base::Timestamp now);
  void dance(ModelOutcome& outcome, const LRP& target, base::Timestamp now);

  // Convergence (board_model_convergence.cc).
  void converge_index(ModelOutcome& outcome, const std::string& guid, std::int32_t index, const Cells& cells,
                      base::Timestamp now, std::vector<std::int32_t>& auctions);
  bool converge_suspect(ModelOutcome& outcome, const LRP& suspect, const Cells& cells);
  bool converge_ordinary(ModelOutcome& outcome, const LRP& row, const Cells& cells, base::Timestamp now);
  bool replace_lost(ModelOutcome& outcome, const LRP& row, base::Timestamp now);
  bool is_fresh(const std::string& domain) const { return domains.contains(domain); }

  // Tasks (board_model_tasks.cc).
  void change(ModelOutcome& outcome, const std::optional<models::Task>& before, const models::Task& after);
  void erase(ModelOutcome& outcome, const models::Task& task);
  void complete_rule(ModelOutcome& outcome, const models::Task& task, bool failed, const std::string& reason,
                     const std::string& result, base::Timestamp now, bool keeps_cell = false);
  void call_back(ModelOutcome& outcome, const models::Task& task) const;

  int epochs_ = 0;
};

}  // namespace rivera::bbs
