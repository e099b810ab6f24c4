// Watching the health of a container (docs/spec/cell.md §3.8).
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/work/wait.h"
#include "executor/logs/process_output.h"
#include "executor/steps/step.h"
#include "executor/steps/step_environment.h"

namespace rivera::executor {

// Makes a check that is run once. Called for each run.
using CheckFactory = std::function<StepPtr()>;

// Runs a check at once, then again after each failure, until it succeeds: or until one fails after `give_up_after` has
// passed (0: never). The pauses grow up to `interval`, so that a quick starter is seen quickly.
class EventuallySucceedsStep final : public Step {
 public:
  EventuallySucceedsStep(StepEnvironment& environment, CheckFactory make_check, std::chrono::nanoseconds interval,
                         std::chrono::nanoseconds give_up_after);
  asio::awaitable<StepResult> run() override;
  void interrupt() override;

 private:
  CheckFactory make_check_;
  std::chrono::nanoseconds interval_;
  std::chrono::nanoseconds give_up_after_;
  StepPtr check_;
  bool interrupted_ = false;
  base::Condition changed_;
};

// Runs a check after every interval until it fails.
class ConsistentlySucceedsStep final : public Step {
 public:
  ConsistentlySucceedsStep(StepEnvironment& environment, CheckFactory make_check, std::chrono::nanoseconds interval);
  asio::awaitable<StepResult> run() override;
  void interrupt() override;

 private:
  CheckFactory make_check_;
  std::chrono::nanoseconds interval_;
  StepPtr check_;
  bool interrupted_ = false;
  base::Condition changed_;
};

// The health of a container: `startup` until it succeeds, which makes the step ready; then `liveness`, whose end is the
// step's. A container that was healthy before a restart starts with `liveness`. Without `liveness` (null) the step
// waits for its interrupt.
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

// Whether traffic shall go to a container: `until_ready` makes it routable, the end of `readiness` makes it not, and so
// on. Ready at once; ends only if a check cannot be run, or interrupted.
class ReadinessStep final : public Step {
 public:
  using OnChange = std::function<void(bool routable)>;
  ReadinessStep(CheckFactory until_ready, CheckFactory readiness, ProcessOutputPtr health, OnChange on_change);
  asio::awaitable<StepResult> run() override;
  void interrupt() override;

 private:
  asio::awaitable<StepResult> run_check(CheckFactory& make);

  CheckFactory until_ready_;
  CheckFactory readiness_;
  ProcessOutputPtr health_;
  OnChange on_change_;
  StepPtr check_;
  bool interrupted_ = false;
};

}  // namespace rivera::executor
