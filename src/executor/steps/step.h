// A step: one node of the tree of work that a container runs (docs/spec/cell.md §3.2, §3.3).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/asio.h"

namespace rivera::executor {

// How a step ended. An aggregate joins the texts of those that are displayable.
struct StepResult {
  enum class Kind {
    kSuccess,
    kCancelled,      // interrupted on request; not displayable
    kGraceExceeded,  // killed after the graceful interval; not displayable
    kDidNotExit,     // still running after SIGKILL
    kCodependentExited,
    kEmittable,    // a failure with a text for the user
    kFailure,      // any other failure
    kUnavailable,  // of a check that the platform could not run: it says nothing about the application
    kAggregate,    // of several children
  };

  Kind kind = Kind::kSuccess;
  std::string text;

  bool ok() const { return kind == Kind::kSuccess; }
  // The text within an aggregate; "" if it is not displayable.
  std::string_view displayable() const;

  static StepResult success() { return {}; }
  static StepResult cancelled() { return {Kind::kCancelled, "cancelled"}; }
  static StepResult grace_exceeded() { return {Kind::kGraceExceeded, "exceeded graceful shutdown interval"}; }
  static StepResult did_not_exit() { return {Kind::kDidNotExit, "process did not exit"}; }
  static StepResult codependent_exited() { return {Kind::kCodependentExited, "Codependent step exited"}; }
  static StepResult emittable(std::string text) { return {Kind::kEmittable, std::move(text)}; }
  static StepResult failure(std::string text) { return {Kind::kFailure, std::move(text)}; }
  static StepResult unavailable(std::string text) { return {Kind::kUnavailable, std::move(text)}; }
  // Success if all are successful; otherwise their displayable texts joined by "; ".
  static StepResult aggregate(const std::vector<StepResult>& results);

  bool operator==(const StepResult&) const = default;
};

std::string_view name_of(StepResult::Kind kind);
// kFailure for an unknown name.
StepResult::Kind result_kind_of(std::string_view name);

// Runs once. Lives on its container's strand, is owned by the container, and outlives its run.
//
// There are two ways to end a run early. interrupt() ends the work itself: the step stops its process or transfer and
// returns a result. Cancelling the coroutine ends only this process's part in it: the step throws operation_aborted and
// leaves processes running, so that a later process of the cell can resume them.
class Step {
 public:
  Step() = default;
  virtual ~Step() = default;
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  virtual asio::awaitable<StepResult> run() = 0;

  // Requests the end. May be called at any time, before run() too, and more than once.
  virtual void interrupt() = 0;

  // Calls `handler` when the step becomes ready, or at once if it is ready.
  void on_ready(std::function<void()> handler);
  bool is_ready() const { return ready_; }

 protected:
  // Only the first call has an effect.
  void become_ready();

 private:
  bool ready_ = false;
  std::function<void()> on_ready_;
};

using StepPtr = std::unique_ptr<Step>;

}  // namespace rivera::executor
