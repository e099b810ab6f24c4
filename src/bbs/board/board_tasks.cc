#include "bbs/board/board.h"

namespace rivera::bbs {
namespace {

using models::Task;

models::ModelError cannot_become(const Task& task, Task::State to) {
  return models::invalid_state_transition(models::state_name(task.state()), models::state_name(to));
}

Outcome failed(const std::string& task_guid, models::ModelError error) {
  Outcome outcome(task_guid);
  outcome.error = std::move(error);
  return outcome;
}

}  // namespace

Outcome Board::desire_task(const models::DesireTaskRequest& request, base::Timestamp now, const std::string& trace_id) {
  if (records_.task(request.task_guid())) return failed(request.task_guid(), models::resource_exists());
  Outcome outcome(request.task_guid());
  const TaskPtr task = replace(
      outcome, nullptr,
      models::pending_task(request.task_guid(), request.domain(), request.task_definition(), base::to_unix_nanos(now)));
  outcome.follow_ups.push_back(AuctionTask{task, trace_id});
  return outcome;
}

Outcome Board::start_task(const models::StartTaskRequest& request, base::Timestamp now) {
  const TaskPtr before = records_.task(request.task_guid());
  if (!before) return failed(request.task_guid(), models::resource_not_found());
  Outcome outcome(request.task_guid());
  if (before->task.state() == Task::Running && before->task.cell_id() == request.cell_id()) return outcome;
  if (before->task.state() != Task::Pending) {
    return failed(request.task_guid(), cannot_become(before->task, Task::Running));
  }
  Task task = before->task;
  task.set_state(Task::Running);
  task.set_cell_id(request.cell_id());
  task.set_updated_at(base::to_unix_nanos(now));
  replace(outcome, before, std::move(task));
  outcome.answer = true;
  return outcome;
}

Outcome Board::complete_task(const models::CompleteTaskRequest& request, base::Timestamp now) {
  const TaskPtr before = records_.task(request.task_guid());
  if (!before) return failed(request.task_guid(), models::resource_not_found());
  if (before->task.state() != Task::Running) {
    return failed(request.task_guid(), cannot_become(before->task, Task::Completed));
  }
  if (before->task.cell_id() != request.cell_id()) {
    return failed(request.task_guid(), models::running_on_different_cell(request.cell_id(), before->task.cell_id()));
  }
  Outcome outcome(request.task_guid());
  Task task = before->task;
  models::complete(task, request.failed(), request.failure_reason(), request.result(), base::to_unix_nanos(now));
  complete(outcome, before, std::move(task));
  return outcome;
}

Outcome Board::cancel_task(const std::string& task_guid, base::Timestamp now, const std::string& trace_id) {
  const TaskPtr before = records_.task(task_guid);
  Outcome outcome = fail_task(task_guid, std::string(models::kTaskCancelled), now);
  if (!outcome.error && !before->task.cell_id().empty()) {
    outcome.follow_ups.push_back(CancelTaskOnCell{task_guid, before->task.cell_id(), trace_id});
  }
  return outcome;
}

Outcome Board::fail_task(const std::string& task_guid, const std::string& reason, base::Timestamp now) {
  const TaskPtr before = records_.task(task_guid);
  if (!before) return failed(task_guid, models::resource_not_found());
  if (!models::is_unfinished(before->task)) return failed(task_guid, cannot_become(before->task, Task::Completed));
  Outcome outcome(task_guid);
  fail(outcome, before, reason, now);
  return outcome;
}

Outcome Board::reject_task(const models::RejectTaskRequest& request, base::Timestamp now) {
  const TaskPtr before = records_.task(request.task_guid());
  if (!before) return failed(request.task_guid(), models::resource_not_found());
  const bool at_limit = before->task.rejection_count() >= options_.max_task_retries;
  if (!models::is_unfinished(before->task)) {
    if (at_limit) return fail_task(request.task_guid(), request.rejection_reason(), now);
    return failed(request.task_guid(), models::bad_request());
  }
  Outcome outcome(request.task_guid());
  Task task = before->task;
  task.set_rejection_count(task.rejection_count() + 1);
  task.set_rejection_reason(models::truncated_for_storage(request.rejection_reason()));
  task.set_state(Task::Pending);
  task.set_updated_at(base::to_unix_nanos(now));
  if (at_limit) {
    // Only the failure is an event, as for a task that was rejected before (§3.9).
    const TaskPtr rejected = make_task(std::move(task));
    swap(outcome, before, rejected);
    fail(outcome, rejected, request.rejection_reason(), now);
  } else {
    replace(outcome, before, std::move(task));
  }
  return outcome;
}

Outcome Board::resolving_task(const std::string& task_guid, base::Timestamp now) {
  const TaskPtr before = records_.task(task_guid);
  if (!before) return failed(task_guid, models::resource_not_found());
  if (before->task.state() != Task::Completed) return failed(task_guid, cannot_become(before->task, Task::Resolving));
  Outcome outcome(task_guid);
  Task task = before->task;
  task.set_state(Task::Resolving);
  task.set_updated_at(base::to_unix_nanos(now));
  replace(outcome, before, std::move(task));
  return outcome;
}

Outcome Board::delete_task(const std::string& task_guid) {
  const TaskPtr before = records_.task(task_guid);
  if (!before) return failed(task_guid, models::resource_not_found());
  if (before->task.state() != Task::Resolving) return failed(task_guid, cannot_become(before->task, Task::Resolving));
  Outcome outcome(task_guid);
  remove_task(outcome, before);
  return outcome;
}

TaskPtr Board::replace(Outcome& outcome, const TaskPtr& before, Task after) {
  TaskPtr record = make_task(std::move(after));
  swap(outcome, before, record);
  outcome.events.push_back({Hub::kTask, TaskEvent{before, record}});
  return record;
}

TaskPtr Board::complete(Outcome& outcome, const TaskPtr& before, Task after) {
  TaskPtr record = replace(outcome, before, std::move(after));
  if (!record->task.task_definition().completion_callback_url().empty()) {
    outcome.follow_ups.push_back(CompletionCallback{record});
  }
  return record;
}

TaskPtr Board::fail(Outcome& outcome, const TaskPtr& before, std::string_view reason, base::Timestamp now) {
  Task task = before->task;
  models::complete(task, true, reason, "", base::to_unix_nanos(now));
  return complete(outcome, before, std::move(task));
}

void Board::remove_task(Outcome& outcome, const TaskPtr& task) {
  swap(outcome, task, TaskPtr());
  outcome.events.push_back({Hub::kTask, TaskEvent{task, nullptr}});
}

}  // namespace rivera::bbs
