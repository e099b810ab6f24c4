// For coroutines that serve one client and that nothing awaits.
#pragma once

#include <exception>
#include <string_view>

#include "base/log/log.h"

namespace rivera::base {

// Logs at level error what ended such a coroutine, unless that is an ordinary end: none (`failure` is null), a
// cancellation, or an error of its connection (boost::system::system_error).
void log_unexpected(const Logger& logger, std::string_view message, const std::exception_ptr& failure);

}  // namespace rivera::base
