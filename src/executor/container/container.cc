#include "executor/container/container.h"

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
