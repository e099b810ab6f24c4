// Conversion of a container's definition to its tree of steps (docs/spec/cell.md §3.2, §3.8).
#pragma once

#include <functional>

#include "executor/container/container.h"
#include "executor/steps/step.h"
#include "executor/steps/step_environment.h"

namespace rivera::executor {

// The tree runs setup, then the post-setup hook, then concurrently the action, the sidecars and the health checks. It
// is ready when the processes exist and the startup checks have passed. `on_routable` receives the results of readiness
// checks.
//
// Throws std::invalid_argument("container cannot have empty action").
StepPtr build_steps(StepEnvironment& environment, const RunInfo& info, std::function<void(bool)> on_routable);

// Whether the container becomes routable only when readiness checks pass.
bool has_readiness_checks(const RunInfo& info);

// The modes of the program that performs declarative checks.
enum class CheckMode { kStartup, kLiveness, kUntilReady, kReadiness };
// The process for one check; nullopt for a check without a port. `index` is its position in its list.
std::optional<garden::ProcessSpec> check_process(const StepEnvironment& environment, const models::Check& check,
                                                 CheckMode mode, int index, std::chrono::milliseconds start_timeout);
// The process that checks a port of the container's proxy, for startup or liveness.
garden::ProcessSpec proxy_check_process(const StepEnvironment& environment, std::uint32_t port, CheckMode mode,
                                        std::size_t index, std::chrono::milliseconds start_timeout);

}  // namespace rivera::executor
