// The result of an operation on the Board.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "bbs/events/event.h"
#include "bbs/records/records.h"
#include "models/errors.h"

namespace rivera::bbs {

// Asks the auctioneer to place instances.
struct AuctionLRP {
  DesiredLRPPtr desired;
  std::vector<std::int32_t> indices;
  std::string trace_id;
};
struct AuctionTask {
  TaskPtr task;
  std::string trace_id;
};
// Asks the rep of `lrp`'s cell to stop it.
struct StopInstance {
  ActualLRPPtr lrp;
  std::string trace_id;
};
// Sends new internal routes and metric tags to the rep of `lrp`'s cell; absent: unchanged (docs/spec/bbs.md §4.3).
struct UpdateInstance {
  ActualLRPPtr lrp;
  std::optional<std::vector<std::string>> internal_routes;
  std::optional<std::map<std::string, std::string>> metric_tags;
  std::string trace_id;
};
struct CancelTaskOnCell {
  std::string task_guid;
  std::string cell_id;
  std::string trace_id;
};
// Calls the completion callback of a task (docs/spec/bbs.md §4.7).
struct CompletionCallback {
  TaskPtr task;
};
using FollowUp =
    std::variant<AuctionLRP, AuctionTask, StopInstance, UpdateInstance, CancelTaskOnCell, CompletionCallback>;

// What an operation on a process with very many instances leaves for Board::proceed(): no operation keeps the strand of
// the Board for longer than a portion of them takes.
struct Rest {
  enum class Step {
    kCreate,  // the instances that are desired, from `index` on
    kStop,    // those that are not desired, below `index`
    kUpdate,  // the calls to the cells of the instances from `index` on
  };
  Step step = Step::kCreate;
  std::string process_guid;
  std::int64_t index = 0;
  bool routes = false, tags = false;  // kUpdate: what to send
  std::string trace_id;
};

// The answer, and what to do once the changes are durable. Nothing in it may leave the process before that.
struct Outcome {
  Outcome() = default;
  explicit Outcome(std::string of) : subject(std::move(of)) {}

  std::optional<models::ModelError> error;  // may accompany changes: a crash is recorded even if its restart failed
  bool answer = false;                      // keep_container, should_start
  std::string subject;                      // the guid or domain whose durability the answer depends on
  std::vector<Change> changes;              // in order; already applied to the Board
  Events events;
  std::vector<FollowUp> follow_ups;
  std::vector<Rest> rest;  // in order
};

}  // namespace rivera::bbs
