// A step: one node of the tree of work that a container runs (docs/spec/cell.md §3.2, §3.3).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/asio.h"

namespace rivera::executor {

// How a step ended. Only the texts that are displayable show where several are joined.
struct StepResult {
  enum class Kind {
    kSuccess,
    kCancelled,      // interrupted, as asked; not displayable
    kGraceExceeded,  // had to be killed; not displayable
    kDidNotExit,     // could not be killed
    kCodependentExited,
    kEmittable,  // a failure whose text is for the user
    kFailure,    // any other
    kAggregate,  // several children's
  };

  Kind kind = Kind::kSuccess;
  std::string text;

  bool ok() const { return kind == Kind::kSuccess; }
  // The text as a part of an aggregate: "" if there is nothing to show.
  std::string_view displayable() const;

  static StepResult success() { return {}; }
  static StepResult cancelled() { return {Kind::kCancelled, "cancelled"}; }
  static StepResult grace_exceeded() { return {Kind::kGraceExceeded, "exceeded graceful shutdown interval"}; }
  static StepResult did_not_exit() { return {Kind::kDidNotExit, "process did not exit"}; }
  static StepResult codependent_exited() { return {Kind::kCodependentExited, "Codependent step exited"}; }
  static StepResult emittable(std::string text) { return {Kind::kEmittable, std::move(text)}; }
  static StepResult failure(std::string text) { return {Kind::kFailure, std::move(text)}; }
  // Success if all are; else their displayable texts joined by "; ".
  static StepResult aggregate(const std::vector<StepResult>& results);

  bool operator==(const StepResult&) const = default;
};

std::string_view name_of(StepResult::Kind kind);
// kFailure for an unknown name.
StepResult::Kind result_kind_of(std::string_view name);

// Runs once. Lives on its container's strand, is owned by the container, and outlives its run.
//
// There are two ways to end a run early. interrupt() is a part of the work: the step ends what it does and returns a
// result. Cancelling the coroutine is not: the step lets go of what it does, leaves it as it is, and throws
// operation_aborted; that is how a cell's process goes away without its containers.
class Step {
 public:
  Step() = default;
  virtual ~Step() = default;
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  virtual asio::awaitable<StepResult> run() = 0;

  // Asks for the end. May be called at any time, also before run(), and more than once.
  virtual void interrupt() = 0;

  // Calls `handler` when the step is ready, at once if it is already.
  void on_ready(std::function<void()> handler);
  bool is_ready() const { return ready_; }

 protected:
  // Every call but the first does nothing.
  void become_ready();

 private:
  bool ready_ = false;
  std::function<void()> on_ready_;
};

using StepPtr = std::unique_ptr<Step>;

}  // namespace rivera::executor
