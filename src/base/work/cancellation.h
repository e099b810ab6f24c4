// The one way to tell cancellation from failure in a catch.
#pragma once

#include <exception>

namespace rivera::base {

// True for the exception of a cancelled coroutine (operation_aborted). It is not a failure of the work: pass it on, and
// never turn it into a result or a log line.
bool is_cancellation(const std::exception& e);

}  // namespace rivera::base
