// The progress of a container's steps, with which they resume after a restart.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/asio.h"
#include "base/clock.h"
#include "executor/container/state_store.h"
#include "executor/steps/step.h"

namespace rivera::executor {

// The record_ functions return when the entry is stored, so that a restart finds it. A failure to write is logged and
// not thrown: its only effect is that a restart cannot resume the container.
class StepJournal {
 public:
  // With a null `store` nothing is stored.
  StepJournal(StateStore* store, std::string guid, std::vector<JournalEntry> known, base::Logger logger);

  bool started(const std::string& step) const;
  std::optional<StepResult> finished(const std::string& step) const;
  // The start time of a step with a time limit.
  std::optional<base::Timestamp> begun(const std::string& step) const;

  asio::awaitable<void> record_started(std::string step);
  asio::awaitable<void> record_finished(std::string step, StepResult result);
  asio::awaitable<void> record_begun(std::string step, base::Timestamp at);

 private:
  asio::awaitable<void> keep(JournalEntry entry);
  void apply(const JournalEntry& entry);

  struct Known {
    bool started = false;
    std::optional<StepResult> result;
    std::optional<base::Timestamp> begun;
  };
  StateStore* store_;
  std::string guid_;
  std::map<std::string, Known> steps_;
  base::Logger logger_;
};

}  // namespace rivera::executor
