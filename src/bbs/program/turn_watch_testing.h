// Measures for how long one turn of an event loop keeps all others waiting: the Ledger's operations, the requests, and
// what keeps the lock.
#pragma once

#include <algorithm>
#include <chrono>
#include <ctime>

#include "base/work/task_group.h"
#include "base/work/wait.h"

namespace rivera::bbs {

// Wakes up every millisecond. Between two wake-ups runs whatever was due before the second, so the processor time that
// the loop's thread spends between them is what a timer or a request may have to wait. Processor time, because a busy
// machine takes the processor away at any time.
//
// Lives on a loop that one thread runs; take() and stop() are called there.
class TurnWatch {
 public:
  explicit TurnWatch(asio::any_io_executor loop) : watching_(std::move(loop), base::Logger::discard()) {
    watching_.spawn_critical("watch", watch());
  }

  // The longest turn since the last take().
  std::chrono::nanoseconds take() {
    const auto longest = longest_;
    longest_ = {};
    return longest;
  }
  asio::awaitable<void> stop() { return watching_.stop(); }

 private:
  static std::chrono::nanoseconds processor_time() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  }

  asio::awaitable<void> watch() {
    std::chrono::nanoseconds last = processor_time();
    for (;;) {
      co_await base::sleep_for(std::chrono::milliseconds(1));
      const std::chrono::nanoseconds now = processor_time();
      longest_ = std::max(longest_, now - last);
      last = now;
    }
  }

  std::chrono::nanoseconds longest_{0};
  base::TaskGroup watching_;
};

}  // namespace rivera::bbs
