// How soon something that another process changes is restored. Pure.
#pragma once

#include <algorithm>
#include <chrono>

namespace rivera::garden {

// At once, if it was left alone for a minute; then after pauses that double, up to half a minute. So two programs that
// undo each other's work do so rarely.
class RestorePace {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // For a change noticed at `now`: how long to wait before restoring.
  std::chrono::nanoseconds pause(Time now) {
    using namespace std::chrono_literals;
    const bool was_left_alone = !has_restored_ || now - restored_ > 1min;
    pause_ = was_left_alone ? 0ns : std::clamp<std::chrono::nanoseconds>(2 * pause_, 250ms, 30s);
    has_restored_ = true;
    restored_ = now + pause_;
    return pause_;
  }

 private:
  bool has_restored_ = false;
  Time restored_{};
  std::chrono::nanoseconds pause_{0};
};

}  // namespace rivera::garden
