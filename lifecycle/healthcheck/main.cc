// Checks the health of what runs in the same container (docs/spec/access-and-tools.md §5.7).
#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>

#include <fmt/format.h>

#include "base/duration.h"
#include "healthcheck/check.h"

namespace healthcheck {
namespace {

Result check_once(const Options& options) {
  Result result;
  const auto address = own_address(result);
  if (!address) return result;
  return options.uri.empty() ? check_tcp(options, *address) : check_http(options, *address);
}

// The next tick of a fixed ticker; ticks that were missed are skipped.
void wait_for_tick(Clock::time_point& next, nanoseconds interval) {
  next += interval;
  const auto now = Clock::now();
  if (next < now) next += (now - next) / interval * interval;
  std::this_thread::sleep_until(next);
}

// Until one succeeds, or the time is over: a hanging attempt is not waited for.
Result until_healthy(const Options& options, nanoseconds interval, nanoseconds limit) {
  const auto begun_at = Clock::now();
  const bool limited = limit.count() > 0;
  auto tick = begun_at;
  Result last{kUnknown, ""};
  for (int attempts = 1;; ++attempts) {
    auto attempt = options;
    if (limited) attempt.timeout = std::min(options.timeout, begun_at + limit - Clock::now());
    const bool was_cut = attempt.timeout < options.timeout;
    auto result = check_once(attempt);
    if (result.ok()) return result;
    if (!was_cut || last.message.empty()) last = std::move(result);
    if (limited && Clock::now() + interval - (Clock::now() - tick) % interval >= begun_at + limit) {
      std::this_thread::sleep_until(begun_at + limit);
      last.message = fmt::format("Timed out after {} ({} attempts) waiting for startup check to succeed: {}",
                                 rivera::base::format_go_duration(limit), attempts, last.message);
      return last;
    }
    wait_for_tick(tick, interval);
  }
}

Result until_unhealthy(const Options& options, nanoseconds interval, const char* prefix) {
  auto tick = Clock::now();
  for (;;) {
    auto result = check_once(options);
    if (!result.ok()) {
      result.message = prefix + result.message;
      return result;
    }
    wait_for_tick(tick, interval);
  }
}

Result run(const Options& options) {
  constexpr nanoseconds kOff{0};
  if (options.startup_interval > kOff) return until_healthy(options, options.startup_interval, options.startup_timeout);
  if (options.liveness_interval > kOff) {
    return until_unhealthy(options, options.liveness_interval, "Liveness check unsuccessful: ");
  }
  if (options.readiness_interval > kOff) {
    return until_unhealthy(options, options.readiness_interval, "Readiness check unsuccessful: ");
  }
  if (options.until_ready_interval > kOff) return until_healthy(options, options.until_ready_interval, kOff);
  return check_once(options);
}

}  // namespace
}  // namespace healthcheck

int main(int argc, char** argv) {
  using namespace healthcheck;
  try {
    const auto result = run(parse_options(argc, argv));
    if (!result.message.empty()) std::fprintf(stderr, "%s\n", result.message.c_str());
    return result.status;
  } catch (const UsageError& e) {
    std::fprintf(stderr, "%s\n%s", e.what(), usage().c_str());
    return kUsage;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "Unknown error encountered in healthcheck: %s\n", e.what());
    return kUnknown;
  }
}
