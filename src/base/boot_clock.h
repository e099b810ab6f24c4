// The clock for leases: it never jumps, and counts while the machine sleeps.
#pragma once

#include <chrono>
#include <ctime>

namespace rivera::base {

// Time since the machine started, the time it was suspended included (CLOCK_BOOTTIME): a process that was stopped, or
// whose virtual machine was, finds that the time has passed. std::chrono::steady_clock does not count suspension, and
// the time of day may be set. A clock of the standard's form; any thread.
struct BootClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;

  static time_point now() {
    timespec time{};
    clock_gettime(CLOCK_BOOTTIME, &time);
    return time_point(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
  }
};

}  // namespace rivera::base
