#include "locket/locket_probe.h"

#include <algorithm>

#include "locket/lock_record.h"

namespace rivera::locket {
namespace {

base::MetricLabels labels_of(RequestType type) { return {{"request_type", std::string(to_string(type))}}; }
std::size_t index_of(RequestType type) { return static_cast<std::size_t>(type); }

}  // namespace

std::string_view to_string(RequestType type) {
  switch (type) {
    case RequestType::kLock:
      return "Lock";
    case RequestType::kRelease:
      return "Release";
    case RequestType::kFetch:
      return "Fetch";
    case RequestType::kFetchAll:
      return "FetchAll";
  }
  return "";
}

LocketProbe::LocketProbe(base::Metrics& metrics) : metrics_(metrics) {
  for (const auto type : kRequestTypes) {
    for (const char* name : {"RequestsStarted", "RequestsSucceeded", "RequestsFailed", "RequestsCancelled"}) {
      metrics_.increment(name, 0, labels_of(type));
    }
    metrics_.set("RequestsInFlight", 0, labels_of(type));
  }
  metrics_.increment("LocksExpired", 0);
  metrics_.increment("PresenceExpired", 0);
}

void LocketProbe::request_started(RequestType type) {
  metrics_.increment("RequestsStarted", 1, labels_of(type));
  metrics_.set("RequestsInFlight", static_cast<double>(++in_flight_[index_of(type)]), labels_of(type));
}

void LocketProbe::request_ended(RequestType type, bool succeeded, std::chrono::nanoseconds latency) {
  metrics_.increment(succeeded ? "RequestsSucceeded" : "RequestsFailed", 1, labels_of(type));
  metrics_.set("RequestsInFlight", static_cast<double>(--in_flight_[index_of(type)]), labels_of(type));
  metrics_.observe_seconds("RequestLatency", std::chrono::duration<double>(latency).count(), labels_of(type));
  auto& latency_max = latency_max_[index_of(type)];
  latency_max = std::max(latency_max, latency);
}

void LocketProbe::request_cancelled(RequestType type) { metrics_.increment("RequestsCancelled", 1, labels_of(type)); }

void LocketProbe::expired(std::string_view type) {
  metrics_.increment(type == kPresenceType ? "PresenceExpired" : "LocksExpired");
}

void LocketProbe::report(std::int64_t locks, std::int64_t presences, const sql::DatabaseStatistics& database) {
  const auto set = [this](const char* name, std::int64_t value) { metrics_.set(name, static_cast<double>(value)); };
  set("ActiveLocks", locks);
  set("ActivePresences", presences);
  set("DBOpenConnections", database.open_connections);
  set("DBWaitCount", database.waits);
  set("DBWaitDuration", database.waited.count());
  set("DBQueriesTotal", database.queries);
  set("DBQueriesSucceeded", database.queries_succeeded);
  set("DBQueriesFailed", database.queries_failed);
  set("DBQueriesInFlight", database.queries_in_flight_max);
  set("DBQueryDurationMax", database.query_duration_max.count());
  for (const auto type : kRequestTypes) {
    auto& latency_max = latency_max_[index_of(type)];
    metrics_.set("RequestLatencyMax", static_cast<double>(latency_max.count()), labels_of(type));
    latency_max = {};
  }
}

}  // namespace rivera::locket
