#include "base/clock.h"

namespace rivera::base {

Timestamp SystemClock::now() const {
  return std::chrono::time_point_cast<Nanoseconds>(std::chrono::system_clock::now());
}

}  // namespace rivera::base
