// The command line of the health check.
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>

namespace healthcheck {

using std::chrono::nanoseconds;

struct Options {
  std::string network = "tcp";
  std::string uri;  // empty: a TCP check
  std::string port = "8080";
  nanoseconds timeout = std::chrono::seconds(1);           // of one attempt
  nanoseconds startup_interval{0};                         // each interval: 0 = not this mode
  nanoseconds startup_timeout = std::chrono::seconds(60);  // 0: never gives up
  nanoseconds liveness_interval{0};
  nanoseconds readiness_interval{0};
  nanoseconds until_ready_interval{0};
};

class UsageError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Go's flag style: -name value, -name=value, and the same with two dashes. Throws UsageError.
Options parse_options(int argc, const char* const* argv);
std::string usage();

}  // namespace healthcheck
