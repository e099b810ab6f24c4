// Health checks of a container (docs/spec/cell.md §3.8).
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/work/wait.h"
#include "executor/logs/process_output.h"
#include "executor/steps/step.h"
#include "executor/steps/step_environment.h"

namespace rivera::executor {

// Creates a check, which runs once. Called for each run.
using CheckFactory = std::function<StepPtr()>;

// Repeats a check until it succeeds, or until it fails after `give_up_after` has passed (0: no limit). A failure while
// the container server did not answer does not count. The pauses grow up to `interval`, so that a container that starts
// quickly is noticed early.
class EventuallySucceedsStep final : public Step {
 public:
  EventuallySucceedsStep(StepEnvironment& environment, CheckFactory make_check, std::chrono::nanoseconds interval,
                         std::chrono::nanoseconds give_up_after);
  asio::awaitable<StepResult> run() override;
  void interrupt() override;

 private:
  StepEnvironment& env_;
  CheckFactory make_check_;
  std::chrono::nanoseconds interval_;
  std::chrono::nanoseconds give_up_after_;
  StepPtr check_;
  bool interrupted_ = false;
  base::Condition changed_;
};

// Repeats a check after each interval until it fails. A failure while the platform failed (PlatformFailures) does not
// count.
class ConsistentlySucceedsStep final : public Step {
 public:
  ConsistentlySucceedsStep(StepEnvironment& environment, CheckFactory make_check, std::chrono::nanoseconds interval);
  asio::awaitable<StepResult> run() override;
  void interrupt() override;

 private:
  StepEnvironment& env_;
  CheckFactory make_check_;
  std::chrono::nanoseconds interval_;
  StepPtr check_;
  bool interrupted_ = false;
  base::Condition changed_;
};

// Runs `startup`, whose success makes the step ready, and then `liveness`, whose end is the end of the step. A
// container that was healthy before a restart starts with `liveness`. If `liveness` is null the step waits for its
// interrupt.
class HealthCheckStep final : public Step {
 public:
  struct Outputs {
    ProcessOutputPtr container;
    ProcessOutputPtr health;
  };
  HealthCheckStep(StepEnvironment& environment, StepPtr startup, StepPtr liveness, Outputs outputs);
  asio::awaitable<StepResult> run() override;
  void interrupt() override;

 private:
  asio::awaitable<StepResult> run_startup();
  asio::awaitable<StepResult> run_liveness();
  std::string elapsed() const;

  StepEnvironment& env_;
  StepPtr startup_;
  StepPtr liveness_;
  Outputs outputs_;
  bool interrupted_ = false;
  base::Timestamp begun_at_;
  base::Condition changed_;
};

// Runs one check process. One that the platform could not run, or lost, is replaced by another after a pause; if
// that lasts longer than `give_up_after` (0: no limit) it counts as a failure.
class PersistentCheckStep final : public Step {
 public:
  // Creates the process's step. The attempts begin at 0.
  using Make = std::function<StepPtr(int attempt)>;
  PersistentCheckStep(StepEnvironment& environment, Make make, std::chrono::nanoseconds give_up_after);
  asio::awaitable<StepResult> run() override;
  void interrupt() override;

 private:
  StepEnvironment& env_;
  Make make_;
  std::chrono::nanoseconds give_up_after_;
  StepPtr check_;
  bool interrupted_ = false;
  base::Condition changed_;
};

// Decides whether a container is routable: it becomes so when `until_ready` succeeds, and ceases to be when `readiness`
// ends; then the two repeat. A container that was routable before a restart starts with `readiness`. The step is ready
// at once. It ends only if interrupted, or if a check cannot run.
class ReadinessStep final : public Step {
 public:
  using OnChange = std::function<void(bool routable)>;
  struct Checks {
    CheckFactory until_ready;
    CheckFactory readiness;
  };
  ReadinessStep(StepEnvironment& environment, Checks checks, ProcessOutputPtr health, OnChange on_change);
  asio::awaitable<StepResult> run() override;
  void interrupt() override;

 private:
  asio::awaitable<StepResult> run_check(CheckFactory& make);

  StepEnvironment& env_;
  Checks checks_;
  ProcessOutputPtr health_;
  OnChange on_change_;
  StepPtr check_;
  bool interrupted_ = false;
};

}  // namespace rivera::executor
