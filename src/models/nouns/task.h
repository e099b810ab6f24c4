// Tasks: states, and the rules that depend on the record alone (docs/spec/bbs.md §2.6, §2.14, §4.7).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "models/nouns/desired_lrp.h"
#include "task.pb.h"
#include "task_requests.pb.h"

namespace rivera::models {

inline constexpr std::string_view kTaskCancelled = "task was cancelled";

// "Invalid", "Pending", "Running", "Completed", "Resolving"; a number for anything else.
std::string state_name(Task::State state);

// A new Pending task. `now` in ns since the epoch.
Task pending_task(std::string task_guid, std::string domain, TaskDefinition definition, std::int64_t now_ns);

// True if Complete, Cancel, Fail and Reject may change it: Pending or Running.
bool is_unfinished(const Task& task);

// The complete rule (docs/spec/bbs.md §4.7). The reason is stored truncated.
void complete(Task& task, bool failed, std::string_view failure_reason, std::string_view result, std::int64_t now_ns);

// The body of a completion callback.
TaskCallbackResponse callback_response(const Task& task);

// Turns a V3 definition into V2, for kV0 too. Nothing is done for kV3.
void down_convert(Task& task, DefinitionVersion version);

}  // namespace rivera::models
