#include "executor/steps/step_journal.h"

#include "base/work/cancellation.h"

namespace rivera::executor {

StepJournal::StepJournal(StateStore* store, std::string guid, std::vector<JournalEntry> known, base::Logger logger)
    : store_(store), guid_(std::move(guid)), logger_(std::move(logger)) {
  for (const auto& entry : known) apply(entry);
}

void StepJournal::apply(const JournalEntry& entry) {
  auto& step = steps_[entry.step];
  if (entry.event == "started") step.started = true;
  if (entry.event == "finished") step.result = StepResult{result_kind_of(entry.kind), entry.text};
  if (entry.event == "begun") step.begun = base::from_unix_nanos(entry.at);
}

bool StepJournal::started(const std::string& step) const {
  const auto found = steps_.find(step);
  return found != steps_.end() && found->second.started;
}

std::optional<StepResult> StepJournal::finished(const std::string& step) const {
  const auto found = steps_.find(step);
  return found == steps_.end() ? std::nullopt : found->second.result;
}

std::optional<base::Timestamp> StepJournal::begun(const std::string& step) const {
  const auto found = steps_.find(step);
  return found == steps_.end() ? std::nullopt : found->second.begun;
}

asio::awaitable<void> StepJournal::record_started(std::string step) {
  return keep({.step = std::move(step), .event = "started", .kind = {}, .text = {}});
}

asio::awaitable<void> StepJournal::record_finished(std::string step, StepResult result) {
  return keep({.step = std::move(step),
               .event = "finished",
               .kind = std::string(name_of(result.kind)),
               .text = std::move(result.text)});
}

asio::awaitable<void> StepJournal::record_begun(std::string step, base::Timestamp at) {
  return keep({.step = std::move(step), .event = "begun", .kind = {}, .text = {}, .at = base::to_unix_nanos(at)});
}

asio::awaitable<void> StepJournal::keep(JournalEntry entry) {
  entry.text = storable_text(entry.text);
  apply(entry);
  if (!store_) co_return;
  try {
    co_await store_->append(guid_, std::move(entry));
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    logger_.error("failed-to-keep-journal", {{"guid", guid_}, {"error", e.what()}});
  }
}

}  // namespace rivera::executor
