// Repeating an action periodically.
#pragma once

#include <chrono>
#include <functional>

#include "base/work/wait.h"

namespace rivera::base {

// Calls `act` every `period`, the first time after one, until cancelled.
inline asio::awaitable<void> repeat_every(std::chrono::nanoseconds period, std::function<void()> act) {
  for (;;) {
    co_await sleep_for(period);
    act();
  }
}

}  // namespace rivera::base
