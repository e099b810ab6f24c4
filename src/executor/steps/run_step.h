// The run of one process (docs/spec/cell.md §3.4).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "executor/logs/process_output.h"
#include "executor/steps/interrupt.h"
#include "executor/steps/step.h"
#include "executor/steps/step_environment.h"

namespace rivera::executor {

struct RunOptions {
  garden::ProcessSpec process;
  std::string log_source;     // SOURCE in "<SOURCE>: Exited with status <N>"
  std::string journal_key;    // the step's position in the tree, with which a restart finds the process; "": none
  bool attach_first = false;  // a process of this id may run although the journal does not name it
  // A health check: its exit is not announced in the log or in the result, and what the platform could not run, or
  // lost, is reported as such and not as a failure.
  bool is_check = false;
  ProcessOutputPtr output;
};

// Runs a process in the container. Ready when the process exists.
//
// The process survives a restart of this process and of the container server: the step waits until the server answers
// and attaches again. If the server then does not know a process that was started, the step fails and does not start it
// a second time.
//
// interrupt() sends SIGTERM, and SIGKILL after the graceful interval. StepSettings::exit_timeout later the step ends
// even if the process has not.
class RunStep final : public Step {
 public:
  RunStep(StepEnvironment& environment, RunOptions options);
  ~RunStep() override;

  asio::awaitable<StepResult> run() override;
  void interrupt() override;

 private:
  struct Process;

  asio::awaitable<StepResult> run_to_end();
  asio::awaitable<std::optional<StepResult>> begin();
  asio::awaitable<void> start_process();
  asio::awaitable<void> wait_for_end();
  asio::awaitable<bool> send(garden::Signal signal);
  asio::awaitable<StepResult> result_of_exit();
  asio::awaitable<bool> ran_out_of_memory();

  StepEnvironment& env_;
  RunOptions options_;
  Interrupt interrupt_;
  std::shared_ptr<Process> process_;
  bool signalled_ = false;
  bool killed_ = false;
};

}  // namespace rivera::executor
