// The end of a process whose state can no longer be trusted.
#pragma once

#include <string_view>

#include "base/log/log.h"

namespace rivera::base {

// As of a Go program that panics.
inline constexpr int kBrokenExitStatus = 2;

// Writes `message` and `why` to standard error and, at level fatal, to the log, and ends the process with
// kBrokenExitStatus. Runs no destructors. Returns in no case; waits at most a second for the log. Any thread.
[[noreturn]] void end_process(const Logger& logger, std::string_view message, std::string_view why) noexcept;

}  // namespace rivera::base
