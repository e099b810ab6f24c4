#include "bbs/api/services.h"
#include "bbs/records/record_pages.h"

namespace rivera::bbs {
namespace {

using Tasks = std::vector<TaskPtr>;

bool is_in_form(const TaskRecord& record, models::DefinitionVersion version) {
  return version == models::DefinitionVersion::kV3 || record.task.task_definition().image_layers().empty();
}

std::string encoded(const TaskRecord& record, models::DefinitionVersion version) {
  if (is_in_form(record, version)) return record.wire;
  models::Task task = record.task;
  models::down_convert(task, version);
  return models::encode(task);
}

}  // namespace

TaskService::TaskService(Api& api, Ledger& ledger, base::WorkerPool& workers, BbsProbe& probe)
    : ledger_(ledger), workers_(workers), probe_(probe) {
  add_reads(api);
  add_changes(api);
}

void TaskService::add_reads(Api& api) {
  using models::DefinitionVersion;
  api.post_list<models::TasksRequest>(
      "Tasks", "/v1/tasks/list.r3", [this](auto request) { return list(std::move(request), DefinitionVersion::kV3); });
  api.post_list<models::TasksRequest>("Tasks_r2", "/v1/tasks/list.r2", [this](auto request) {
    return list(std::move(request), DefinitionVersion::kV2);
  });
  api.post<models::TaskByGuidRequest>("TaskByGuid", "/v1/tasks/get_by_task_guid.r3", [this](auto request, Call) {
    return get(request.task_guid(), DefinitionVersion::kV3);
  });
  api.post<models::TaskByGuidRequest>("TaskByGuid_r2", "/v1/tasks/get_by_task_guid.r2", [this](auto request, Call) {
    return get(request.task_guid(), DefinitionVersion::kV2);
  });
}

void TaskService::add_changes(Api& api) {
  api.post<models::DesireTaskRequest>("DesireTask", "/v1/tasks/desire.r2", [this](auto request, Call call) {
    return change([r = std::move(request), trace = std::move(call.trace_id)](Board& board, base::Timestamp now) {
      return board.desire_task(r, now, trace);
    });
  });
  api.post<models::StartTaskRequest>("StartTask", "/v1/tasks/start",
                                     [this](auto request, Call) { return start(std::move(request)); });
  api.post<models::TaskGuidRequest>("CancelTask", "/v1/tasks/cancel", [this](auto request, Call call) {
    return change([r = std::move(request), trace = std::move(call.trace_id)](Board& board, base::Timestamp now) {
      return board.cancel_task(r.task_guid(), now, trace);
    });
  });
  api.post<models::FailTaskRequest>("FailTask", "/v1/tasks/fail", [this](auto request, Call) {
    return change([r = std::move(request)](Board& board, base::Timestamp now) {
      return board.fail_task(r.task_guid(), r.failure_reason(), now);
    });
  });
  api.post<models::RejectTaskRequest>("RejectTask", "/v1/tasks/reject", [this](auto request, Call) {
    return change([r = std::move(request)](Board& board, base::Timestamp now) { return board.reject_task(r, now); });
  });
  api.post<models::CompleteTaskRequest>("CompleteTask", "/v1/tasks/complete",
                                        [this](auto request, Call) { return complete(std::move(request)); });
  api.post<models::TaskGuidRequest>("ResolvingTask", "/v1/tasks/resolving", [this](auto request, Call) {
    return change([r = std::move(request)](Board& board, base::Timestamp now) {
      return board.resolving_task(r.task_guid(), now);
    });
  });
  api.post<models::TaskGuidRequest>("DeleteTask", "/v1/tasks/delete", [this](auto request, Call) {
    return change([r = std::move(request)](Board& board, base::Timestamp) { return board.delete_task(r.task_guid()); });
  });
}

asio::awaitable<std::unique_ptr<EncodedList>> TaskService::list(models::TasksRequest request,
                                                                models::DefinitionVersion version) {
  const auto is_asked_for = [&request](const std::string& domain, const std::string& cell) {
    return (request.domain().empty() || domain == request.domain()) &&
           (request.cell_id().empty() || cell == request.cell_id());
  };
  Tasks found;
  for (RecordPages pages; !pages.is_done();) {
    auto look = [&](const Records& records) {
      for (const auto& [key, task] : records.unreadable()) {
        // One unreadable task makes the whole list fail (§4.9).
        if (key.kind == RecordKind::kTask && is_asked_for(task.domain, task.cell_id)) throw models::deserialize_error();
      }
      const auto visit = [&](const std::string&, const TaskPtr& record) {
        if (is_asked_for(record->task.domain(), record->task.cell_id())) found.push_back(record);
        return std::size_t{1};
      };
      pages.next(records.tasks(), kRecordsAtOnce, visit, [&] { found.clear(); });
    };
    co_await ledger_.read(std::move(look));
  }
  auto encoding = [tasks = std::move(found), version] {
    EncodedRecords list;
    list.reserve(tasks.size());
    for (const TaskPtr& task : tasks) {
      const bool is_shared = is_in_form(*task, version);
      list.push_back(is_shared ? EncodedRecord{task, task->wire} : encoded_record(encoded(*task, version)));
    }
    return list;
  };
  EncodedRecords encoded_tasks = co_await workers_.run(std::move(encoding));
  co_return as_list(std::move(encoded_tasks));
}

asio::awaitable<std::string> TaskService::get(std::string task_guid, models::DefinitionVersion version) {
  auto look = [task_guid](const Records& records) {
    if (records.is_unreadable(RecordKind::kTask, task_guid)) throw models::deserialize_error();
    return records.task(task_guid);
  };
  const TaskPtr task = co_await ledger_.read(std::move(look));
  if (!task) throw models::resource_not_found();
  std::string body;
  models::append_field(body, 2, encoded(*task, version));
  co_return body;
}

asio::awaitable<std::string> TaskService::change(Ledger::Operation operation) {
  const Outcome outcome = co_await ledger_.run(std::move(operation));
  co_return body_of(outcome);
}

asio::awaitable<std::string> TaskService::start(models::StartTaskRequest request) {
  Ledger::Operation operation = [request](Board& board, base::Timestamp now) { return board.start_task(request, now); };
  const Outcome outcome = co_await ledger_.run(std::move(operation));
  if (outcome.answer) probe_.task_started(request.cell_id());
  co_return body_with_answer(outcome);  // should_start
}

asio::awaitable<std::string> TaskService::complete(models::CompleteTaskRequest request) {
  Ledger::Operation operation = [request](Board& board, base::Timestamp now) {
    return board.complete_task(request, now);
  };
  const Outcome outcome = co_await ledger_.run(std::move(operation));
  if (!outcome.error) probe_.task_ended(request.cell_id(), request.failed());
  co_return body_of(outcome);
}

}  // namespace rivera::bbs
