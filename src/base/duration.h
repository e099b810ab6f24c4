// Go duration strings ("1m30s", "1.5h", "250ms"): how every Diego configuration file writes a length of time.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace rivera::base {

// Throws std::invalid_argument, naming the text, if `text` is not a Go duration or overflows 64-bit nanoseconds.
std::chrono::nanoseconds parse_go_duration(std::string_view text);

// The form Go prints: "1m30s", "1.5s", "0s".
std::string format_go_duration(std::chrono::nanoseconds d);

}  // namespace rivera::base
