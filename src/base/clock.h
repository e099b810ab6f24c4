// Time as Rivera knows it: nanoseconds since the Unix epoch, and the clock that gives them.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace rivera::base {

using Nanoseconds = std::chrono::nanoseconds;
using Timestamp = std::chrono::sys_time<Nanoseconds>;

// Unix nanoseconds, as every timestamp on the wire is given.
constexpr std::int64_t to_unix_nanos(Timestamp t) { return t.time_since_epoch().count(); }
constexpr Timestamp from_unix_nanos(std::int64_t nanos) { return Timestamp{Nanoseconds{nanos}}; }

// Where the time of day comes from. Passed in wherever a rule depends on time, so that tests and simulations own it.
// Implementations may be called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;
};

class SystemClock final : public Clock {
 public:
  Timestamp now() const override;
};

// A clock that moves only when a test moves it.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Timestamp start = from_unix_nanos(1'700'000'000'000'000'000)) : nanos_(to_unix_nanos(start)) {}
  Timestamp now() const override { return from_unix_nanos(nanos_.load()); }
  void advance(Nanoseconds by) { nanos_.fetch_add(by.count()); }

 private:
  std::atomic<std::int64_t> nanos_;
};

}  // namespace rivera::base
