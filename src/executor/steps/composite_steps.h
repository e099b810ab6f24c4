// Steps made of steps (docs/spec/cell.md §3.2, §3.3).
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/work/wait.h"
#include "executor/logs/process_output.h"
#include "executor/steps/limiter.h"
#include "executor/steps/step.h"
#include "executor/steps/step_environment.h"

namespace rivera::executor {

// Runs its children one after the other, up to the first that fails. Ready when the last one is.
class SerialStep final : public Step {
 public:
  explicit SerialStep(std::vector<StepPtr> steps);
  asio::awaitable<StepResult> run() override;
  void interrupt() override;

 private:
  std::vector<StepPtr> steps_;
  Step* current_ = nullptr;
  bool interrupted_ = false;
};

// The base of steps that run their children concurrently. Children start in order. Ready when all of them are.
class ConcurrentSteps : public Step {
 public:
  void interrupt() override;

 protected:
  ConcurrentSteps(StepEnvironment& environment, std::vector<StepPtr> steps);

  void start_all();
  void interrupt_all();
  bool interrupted() const { return interrupted_; }
  std::size_t count() const { return children_.size(); }
  // Waits for the next child to end, and returns its index. Call it count() times.
  asio::awaitable<std::size_t> next_ended();
  const StepResult& result(std::size_t child) const { return children_[child].result; }

 private:
  struct Child {
    StepPtr step;
    StepResult result;
  };
  asio::awaitable<void> run_child(std::size_t index);
  void note_ready();

  StepEnvironment& env_;
  std::vector<Child> children_;
  std::vector<std::size_t> ended_;
  std::size_t taken_ = 0;
  std::size_t ready_ = 0;
  bool interrupted_ = false;
  std::unique_ptr<base::Condition> changed_;
};

// Runs its children concurrently and waits for all. The result joins theirs in the order of the children.
class ParallelStep final : public ConcurrentSteps {
 public:
  ParallelStep(StepEnvironment& environment, std::vector<StepPtr> steps)
      : ConcurrentSteps(environment, std::move(steps)) {}
  asio::awaitable<StepResult> run() override;
};

// Runs its children concurrently. The first that fails interrupts the others. With `cancels_others_on_exit` a child
// that succeeds does so too; with `fails_on_exit` the success of each also counts as a failure. The result joins the
// children's in the order in which they end.
class CodependentStep final : public ConcurrentSteps {
 public:
  CodependentStep(StepEnvironment& environment, std::vector<StepPtr> steps, bool fails_on_exit,
                  bool cancels_others_on_exit)
      : ConcurrentSteps(environment, std::move(steps)),
        fails_on_exit_(fails_on_exit),
        cancels_others_on_exit_(cancels_others_on_exit) {}
  asio::awaitable<StepResult> run() override;

 private:
  bool fails_on_exit_;
  bool cancels_others_on_exit_;
};

// Interrupts its child after a time: "exceeded 500ms timeout". With a journal key, a restart does not extend the time.
class TimeoutStep final : public Step {
 public:
  TimeoutStep(StepEnvironment& environment, StepPtr child, std::chrono::nanoseconds limit, std::string journal_key);
  asio::awaitable<StepResult> run() override;
  void interrupt() override;

 private:
  asio::awaitable<void> run_child();
  asio::awaitable<std::chrono::nanoseconds> time_left();

  StepEnvironment& env_;
  StepPtr child_;
  std::chrono::nanoseconds limit_;
  std::string journal_key_;
  bool ended_ = false;
  StepResult result_;
  std::unique_ptr<base::Condition> changed_;
};

// Succeeds whatever the result of its child.
class TryStep final : public Step {
 public:
  explicit TryStep(StepPtr child);
  asio::awaitable<StepResult> run() override;
  void interrupt() override { child_->interrupt(); }

 private:
  StepPtr child_;
};

// Writes a message when its child starts and when it ends.
class EmitProgressStep final : public Step {
 public:
  struct Messages {
    std::string start, success, failure_prefix;  // empty: nothing is written
  };
  EmitProgressStep(StepPtr child, Messages messages, ProcessOutputPtr output);
  asio::awaitable<StepResult> run() override;
  void interrupt() override { child_->interrupt(); }

 private:
  StepPtr child_;
  Messages messages_;
  ProcessOutputPtr output_;
};

// Reports the duration of its child. An interrupt is passed to the child and not waited for: the result is success.
class TimedStep final : public Step {
 public:
  using OnEnd = std::function<void(bool ok)>;
  TimedStep(StepEnvironment& environment, StepPtr child, OnEnd on_end);
  asio::awaitable<StepResult> run() override;
  void interrupt() override;

 private:
  asio::awaitable<void> run_child();

  StepEnvironment& env_;
  StepPtr child_;
  OnEnd on_end_;
  bool interrupted_ = false;
  bool ended_ = false;
  StepResult result_;
  std::unique_ptr<base::Condition> changed_;
};

// Runs its child, and leaves it running when it is interrupted: it ends with the container.
class BackgroundStep final : public Step {
 public:
  BackgroundStep(StepEnvironment& environment, StepPtr child);
  asio::awaitable<StepResult> run() override;
  void interrupt() override;

 private:
  asio::awaitable<void> run_child();

  StepEnvironment& env_;
  StepPtr child_;
  bool interrupted_ = false;
  bool ended_ = false;
  StepResult result_;
  std::unique_ptr<base::Condition> changed_;
};

// Runs its child only while the limiter has a slot for it.
class ThrottledStep final : public Step {
 public:
  ThrottledStep(Limiter& limiter, StepPtr child);
  asio::awaitable<StepResult> run() override;
  void interrupt() override;

 private:
  Limiter& limiter_;
  StepPtr child_;
  bool interrupted_ = false;
};

// Uses the output of a check as the text of its failure: "<prefix>: <output>".
class OutputAsErrorStep final : public Step {
 public:
  OutputAsErrorStep(StepPtr child, std::shared_ptr<CapturedOutput> output, std::string prefix);
  asio::awaitable<StepResult> run() override;
  void interrupt() override { child_->interrupt(); }

 private:
  StepPtr child_;
  std::shared_ptr<CapturedOutput> output_;
  std::string prefix_;
};

}  // namespace rivera::executor
