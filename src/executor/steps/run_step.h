// Running one process to its end (docs/spec/cell.md §3.4).
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
  std::string log_source;     // of the text "<SOURCE>: Exited with status <N>"
  std::string journal_key;    // ""; or the step's place in the tree: then a restart joins the process again
  bool attach_first = false;  // not in the journal, yet a process of this id may run already
  bool announce_exit = true;  // write "Exit status <N>"; otherwise the result has no status either
  ProcessOutputPtr output;
};

// A process in the container. Ready when it exists.
//
// The process does not end with us, and neither does it end with the container server: while that is away we wait for
// it and join the process again. If a process that we know was started is unknown to the server afterwards, the step
// fails rather than start it twice.
//
// interrupt() sends SIGTERM, after the graceful interval SIGKILL; a second later the step gives up.
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
