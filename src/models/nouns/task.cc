#include "models/nouns/task.h"

#include "models/nouns/actual_lrp.h"

namespace rivera::models {

std::string state_name(Task::State state) {
  return Task::State_IsValid(state) ? Task::State_Name(state) : std::to_string(static_cast<int>(state));
}

Task pending_task(std::string task_guid, std::string domain, TaskDefinition definition, std::int64_t now_ns) {
  Task task;
  task.set_task_guid(std::move(task_guid));
  task.set_domain(std::move(domain));
  *task.mutable_task_definition() = std::move(definition);
  task.set_created_at(now_ns);
  task.set_updated_at(now_ns);
  task.set_state(Task::Pending);
  return task;
}

bool is_unfinished(const Task& task) { return task.state() == Task::Pending || task.state() == Task::Running; }

void complete(Task& task, bool failed, std::string_view failure_reason, std::string_view result, std::int64_t now_ns) {
  task.set_state(Task::Completed);
  task.set_failed(failed);
  task.set_failure_reason(truncated_for_storage(failure_reason));
  task.set_result(std::string(result));
  task.clear_cell_id();
  task.set_updated_at(now_ns);
  task.set_first_completed_at(now_ns);
}

TaskCallbackResponse callback_response(const Task& task) {
  TaskCallbackResponse response;
  response.set_task_guid(task.task_guid());
  response.set_failed(task.failed());
  response.set_failure_reason(task.failure_reason());
  response.set_result(task.result());
  response.set_annotation(task.task_definition().annotation());
  response.set_created_at(task.created_at());
  return response;
}

void down_convert(Task& task, DefinitionVersion version) {
  if (task.has_task_definition()) down_convert(*task.mutable_task_definition(), version);
}

}  // namespace rivera::models
