#include "executor/container/container.h"

#include "models/forms/wire.h"

namespace rivera::executor {

std::string_view name_of(ContainerState state) {
  switch (state) {
    case ContainerState::kReserved:
      return "reserved";
    case ContainerState::kInitializing:
      return "initializing";
    case ContainerState::kCreated:
      return "created";
    case ContainerState::kRunning:
      return "running";
    case ContainerState::kCompleted:
      return "completed";
  }
  return "";
}

std::optional<ContainerState> container_state_of(std::string_view name) {
  for (const auto state : {ContainerState::kReserved, ContainerState::kInitializing, ContainerState::kCreated,
                           ContainerState::kRunning, ContainerState::kCompleted}) {
    if (name_of(state) == name) return state;
  }
  return std::nullopt;
}

const std::string& Container::tag(std::string_view name) const {
  static const std::string none;
  const auto found = tags.find(std::string(name));
  return found == tags.end() ? none : found->second;
}

std::string storable_text(std::string_view text) {
  static constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::string stored;
  for (const char c : models::valid_utf8(text)) {
    if (c == '\0') {
      stored += kReplacement;
    } else {
      stored += c;
    }
  }
  return stored;
}

std::string truncated_failure_reason(std::string reason) {
  static constexpr std::string_view mark = "\n... (truncated)\n";
  if (reason.size() <= kFailureReasonLimit) return reason;
  const std::size_t keep = (kFailureReasonLimit - mark.size()) / 2;
  std::string cut = reason.substr(0, keep);
  cut += mark;
  cut += std::string_view(reason).substr(reason.size() - keep);
  return cut;
}

}  // namespace rivera::executor
