#include "executor/steps/step.h"

#include <array>
#include <utility>

namespace rivera::executor {
namespace {

constexpr std::array<std::pair<StepResult::Kind, std::string_view>, 9> kNames = {{
    {StepResult::Kind::kSuccess, "success"},
    {StepResult::Kind::kCancelled, "cancelled"},
    {StepResult::Kind::kGraceExceeded, "grace-exceeded"},
    {StepResult::Kind::kDidNotExit, "did-not-exit"},
    {StepResult::Kind::kCodependentExited, "codependent-exited"},
    {StepResult::Kind::kEmittable, "emittable"},
    {StepResult::Kind::kFailure, "failure"},
    {StepResult::Kind::kUnavailable, "unavailable"},
    {StepResult::Kind::kAggregate, "aggregate"},
}};

}  // namespace

std::string_view name_of(StepResult::Kind kind) {
  for (const auto& [known, name] : kNames) {
    if (known == kind) return name;
  }
  return "failure";
}

StepResult::Kind result_kind_of(std::string_view name) {
  for (const auto& [kind, known] : kNames) {
    if (known == name) return kind;
  }
  return StepResult::Kind::kFailure;
}

std::string_view StepResult::displayable() const {
  switch (kind) {
    case Kind::kSuccess:
    case Kind::kCancelled:
    case Kind::kGraceExceeded:
      return {};
    case Kind::kDidNotExit:
    case Kind::kCodependentExited:
    case Kind::kEmittable:
    case Kind::kFailure:
    case Kind::kUnavailable:
    case Kind::kAggregate:
      return text;
  }
  return {};
}

StepResult StepResult::aggregate(const std::vector<StepResult>& results) {
  bool failed = false;
  std::string joined;
  for (const auto& result : results) {
    if (result.ok()) continue;
    failed = true;
    const auto text = result.displayable();
    if (text.empty()) continue;
    if (!joined.empty()) joined += "; ";
    joined += text;
  }
  if (!failed) return success();
  return {Kind::kAggregate, std::move(joined)};
}

void Step::on_ready(std::function<void()> handler) {
  on_ready_ = std::move(handler);
  if (ready_ && on_ready_) on_ready_();
}

void Step::become_ready() {
  if (std::exchange(ready_, true)) return;
  if (on_ready_) on_ready_();
}

}  // namespace rivera::executor
