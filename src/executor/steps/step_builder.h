// From what a container shall do to the tree of steps that does it (docs/spec/cell.md §3.2, §3.8).
#pragma once

#include <functional>

#include "executor/container/container.h"
#include "executor/steps/step.h"
#include "executor/steps/step_environment.h"

namespace rivera::executor {

// setup, then the post-setup hook, then action, sidecars and health checks side by side. The tree is ready when the
// processes exist and the startup checks have passed. `on_routable` is told of readiness checks' outcomes.
//
// Throws std::invalid_argument("container cannot have empty action").
StepPtr build_steps(StepEnvironment& environment, const RunInfo& info, std::function<void(bool)> on_routable);

// True if traffic has to wait for readiness checks.
bool has_readiness_checks(const RunInfo& info);

// The programs that carry out declarative checks.
enum class CheckMode { kStartup, kLiveness, kUntilReady, kReadiness };
// What is run for one check; nullopt for a check that names no port. `index` is its place in its list.
std::optional<garden::ProcessSpec> check_process(const StepEnvironment& environment, const models::Check& check,
                                                 CheckMode mode, int index, std::chrono::milliseconds start_timeout);

}  // namespace rivera::executor
