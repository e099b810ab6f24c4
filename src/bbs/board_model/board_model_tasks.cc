// docs/spec/bbs.md §4.7: the table of tasks and the complete rule.
#include "bbs/board_model/board_model.h"
#include "models/nouns/task.h"

namespace rivera::bbs {
namespace {

using models::Task;

models::ModelError from_to(const Task& task, const char* to) {
  return models::invalid_state_transition(models::state_name(task.state()), to);
}

bool is_pending_or_running(const Task& task) { return task.state() == Task::Pending || task.state() == Task::Running; }

}  // namespace

void BoardModel::change(ModelOutcome& outcome, const std::optional<Task>& before, const Task& after) {
  tasks[after.task_guid()] = after;
  const std::string text =
      before ? "changed " + describe(*before) + " -> " + describe(after) : "created " + describe(after);
  outcome.events["tasks " + after.task_guid()].push_back(text);
}

void BoardModel::erase(ModelOutcome& outcome, const Task& task) {
  outcome.events["tasks " + task.task_guid()].push_back("removed " + describe(task));
  tasks.erase(task.task_guid());
}

void BoardModel::call_back(ModelOutcome& outcome, const Task& task) const {
  if (!task.task_definition().completion_callback_url().empty()) {
    outcome.follow_ups.insert("call back " + describe(task));
  }
}

void BoardModel::complete_rule(ModelOutcome& outcome, const Task& task, bool failed, const std::string& reason,
                               const std::string& result, base::Timestamp now, bool keeps_cell) {
  Task after = task;
  after.set_state(Task::Completed);
  after.set_failed(failed);
  after.set_failure_reason(models::truncated_for_storage(reason));
  after.set_result(result);
  if (!keeps_cell) after.clear_cell_id();
  after.set_updated_at(base::to_unix_nanos(now));
  after.set_first_completed_at(base::to_unix_nanos(now));
  change(outcome, task, after);
  call_back(outcome, after);
}

ModelOutcome BoardModel::desire_task(const models::DesireTaskRequest& request, base::Timestamp now,
                                     const std::string& trace) {
  if (tasks.contains(request.task_guid())) return ModelOutcome::refused(models::resource_exists());
  Task task;
  task.set_task_guid(request.task_guid());
  task.set_domain(request.domain());
  *task.mutable_task_definition() = request.task_definition();
  task.set_state(Task::Pending);
  task.set_created_at(base::to_unix_nanos(now));
  task.set_updated_at(base::to_unix_nanos(now));
  ModelOutcome outcome;
  change(outcome, std::nullopt, task);
  outcome.follow_ups.insert("auction-task " + request.task_guid() + " trace " + trace);
  return outcome;
}

ModelOutcome BoardModel::start_task(const models::StartTaskRequest& request, base::Timestamp now) {
  const auto found = tasks.find(request.task_guid());
  if (found == tasks.end()) return ModelOutcome::refused(models::resource_not_found());
  const Task before = found->second;
  if (before.state() == Task::Running && before.cell_id() == request.cell_id()) return {};
  if (before.state() != Task::Pending) return ModelOutcome::refused(from_to(before, "Running"));
  Task after = before;
  after.set_state(Task::Running);
  after.set_cell_id(request.cell_id());
  after.set_updated_at(base::to_unix_nanos(now));
  ModelOutcome outcome;
  outcome.answer = true;
  change(outcome, before, after);
  return outcome;
}

ModelOutcome BoardModel::complete_task(const models::CompleteTaskRequest& request, base::Timestamp now) {
  const auto found = tasks.find(request.task_guid());
  if (found == tasks.end()) return ModelOutcome::refused(models::resource_not_found());
  const Task task = found->second;
  if (task.state() != Task::Running) return ModelOutcome::refused(from_to(task, "Completed"));
  if (task.cell_id() != request.cell_id()) {
    return ModelOutcome::refused(models::running_on_different_cell(request.cell_id(), task.cell_id()));
  }
  ModelOutcome outcome;
  complete_rule(outcome, task, request.failed(), request.failure_reason(), request.result(), now);
  return outcome;
}

ModelOutcome BoardModel::cancel_task(const std::string& guid, base::Timestamp now, const std::string& trace) {
  const auto found = tasks.find(guid);
  if (found == tasks.end()) return ModelOutcome::refused(models::resource_not_found());
  const std::string cell = found->second.cell_id();
  ModelOutcome outcome = fail_task(guid, "task was cancelled", now);
  if (!outcome.error && !cell.empty()) {
    outcome.follow_ups.insert("cancel " + guid + " on " + cell + " trace " + trace);
  }
  return outcome;
}

ModelOutcome BoardModel::fail_task(const std::string& guid, const std::string& reason, base::Timestamp now) {
  const auto found = tasks.find(guid);
  if (found == tasks.end()) return ModelOutcome::refused(models::resource_not_found());
  const Task task = found->second;
  if (!is_pending_or_running(task)) return ModelOutcome::refused(from_to(task, "Completed"));
  ModelOutcome outcome;
  complete_rule(outcome, task, true, reason, "", now);
  return outcome;
}

ModelOutcome BoardModel::reject_task(const models::RejectTaskRequest& request, base::Timestamp now) {
  const auto found = tasks.find(request.task_guid());
  if (found == tasks.end()) return ModelOutcome::refused(models::resource_not_found());
  const Task before = found->second;
  const bool limit_reached = before.rejection_count() >= max_task_retries;
  if (!is_pending_or_running(before)) {
    if (limit_reached) return fail_task(request.task_guid(), request.rejection_reason(), now);
    return ModelOutcome::refused(models::bad_request());
  }
  Task rejected = before;
  rejected.set_rejection_count(before.rejection_count() + 1);
  rejected.set_rejection_reason(models::truncated_for_storage(request.rejection_reason()));
  rejected.set_state(Task::Pending);
  rejected.set_updated_at(base::to_unix_nanos(now));
  tasks[request.task_guid()] = rejected;
  // "A RejectTask at the limit emits only the changed event of its Fail."
  if (limit_reached) return fail_task(request.task_guid(), request.rejection_reason(), now);
  ModelOutcome outcome;
  change(outcome, before, rejected);
  return outcome;
}

ModelOutcome BoardModel::resolving_task(const std::string& guid, base::Timestamp now) {
  const auto found = tasks.find(guid);
  if (found == tasks.end()) return ModelOutcome::refused(models::resource_not_found());
  const Task before = found->second;
  if (before.state() != Task::Completed) return ModelOutcome::refused(from_to(before, "Resolving"));
  Task after = before;
  after.set_state(Task::Resolving);
  after.set_updated_at(base::to_unix_nanos(now));
  ModelOutcome outcome;
  change(outcome, before, after);
  return outcome;
}

ModelOutcome BoardModel::delete_task(const std::string& guid) {
  const auto found = tasks.find(guid);
  if (found == tasks.end()) return ModelOutcome::refused(models::resource_not_found());
  const Task task = found->second;
  if (task.state() != Task::Resolving) return ModelOutcome::refused(from_to(task, "Resolving"));
  ModelOutcome outcome;
  erase(outcome, task);
  return outcome;
}

}  // namespace rivera::bbs
