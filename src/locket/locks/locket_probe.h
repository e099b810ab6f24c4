// Locket's metrics (docs/spec/locket-and-auction.md §1.9).
#pragma once

#include <array>
#include <chrono>
#include <string_view>

#include "base/metrics/metrics.h"
#include "base/metrics/process_probe.h"
#include "sql/database_probe.h"

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
  // A collision counts as a success.
  void request_ended(RequestType type, bool succeeded, std::chrono::nanoseconds latency);
  // The client cancelled before the response.
  void request_cancelled(RequestType type);
  // A lock or presence, by its stored type, has expired.
  void expired(std::string_view type);

  // Called every report_interval: sends the given counts and the other measurements.
  void report_locks(std::int64_t locks, std::int64_t presences);
  void report(const sql::DatabaseStatistics& database);
  // Called every 60 s.
  void report_expired();
  // Called every 10 s.
  void report_runtime() { process_.report_runtime(); }

 private:
  // The metrics of one type of request, with the tag `request-type`.
  struct Requests {
    Requests(base::Metrics& metrics, RequestType type);
    void report();

    base::Counter& started;
    base::Counter& succeeded;
    base::Counter& failed;
    base::Counter& cancelled;
    base::Gauge& in_flight;
    base::Latency& latency;
    base::DurationGauge& latency_max;
  };
  Requests& requests(RequestType type) { return requests_[static_cast<std::size_t>(type)]; }

  base::ProcessProbe process_;
  sql::DatabaseProbe database_;
  std::array<Requests, kRequestTypes.size()> requests_;  // in the order of the types
  base::Gauge& active_locks_;
  base::Gauge& active_presences_;
  base::Counter& locks_expired_;
  base::Counter& presences_expired_;
};

}  // namespace rivera::locket
