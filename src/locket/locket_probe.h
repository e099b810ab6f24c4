// Locket's metrics (docs/spec/locket-and-auction.md §1.9).
#pragma once

#include <array>
#include <chrono>
#include <string_view>

#include "base/metrics.h"
#include "sql/database.h"

namespace rivera::locket {

enum class RequestType { kLock, kRelease, kFetch, kFetchAll };
inline constexpr std::array kRequestTypes{RequestType::kLock, RequestType::kRelease, RequestType::kFetch,
                                          RequestType::kFetchAll};
// "Lock", "Release", "Fetch", "FetchAll".
std::string_view to_string(RequestType type);

// Used on one strand.
class LocketProbe {
 public:
  explicit LocketProbe(base::Metrics& metrics);

  void request_started(RequestType type);
  // A collision is a success.
  void request_ended(RequestType type, bool succeeded, std::chrono::nanoseconds latency);
  // The client gave up before the answer.
  void request_cancelled(RequestType type);
  // A lock or presence, by its stored type, was removed because its time had passed.
  void expired(std::string_view type);

  // What is measured from time to time.
  void report(std::int64_t locks, std::int64_t presences, const sql::DatabaseStatistics& database);

 private:
  base::Metrics& metrics_;
  std::array<std::int64_t, 4> in_flight_{};
  std::array<std::chrono::nanoseconds, 4> latency_max_{};
};

}  // namespace rivera::locket
