// The trace of a request: what joins the log lines of all components that one request from outside has caused.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/log/log.h"

namespace rivera::base {

// The header's name, on its way in and on to the BBS and the reps, where its text goes unchanged.
inline constexpr char kTraceHeader[] = "X-Vcap-Request-Id";

// The header's text as a trace id: without hyphens, lower case, padded to 32 digits (16 where the upper half is zero).
// nullopt if it is no hexadecimal number of up to 128 bits (docs/spec/locket-and-auction.md §2.1).
std::optional<std::string> trace_id_of(std::string_view header);

// A session of `logger` that carries the trace id and a span id of its own, if the header gives one.
Logger traced_session(const Logger& logger, std::string_view name, std::string_view header);

}  // namespace rivera::base
