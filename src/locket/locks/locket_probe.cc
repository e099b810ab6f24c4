#include "locket/locks/locket_probe.h"

#include "locket/locks/lock_record.h"

namespace rivera::locket {
namespace {

base::MetricLabels labels_of(RequestType type) { return {{"request-type", std::string(to_string(type))}}; }

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

LocketProbe::Requests::Requests(base::Metrics& metrics, RequestType type)
    : started(metrics.counter("RequestsStarted", labels_of(type))),
      succeeded(metrics.counter("RequestsSucceeded", labels_of(type))),
      failed(metrics.counter("RequestsFailed", labels_of(type))),
      cancelled(metrics.counter("RequestsCancelled", labels_of(type))),
      in_flight(metrics.gauge("RequestsInFlight", labels_of(type))),
      latency(metrics.latency("RequestLatency", labels_of(type))),
      latency_max(metrics.duration("RequestLatencyMax", labels_of(type))) {}

// Upstream sends these counts as gauges.
void LocketProbe::Requests::report() {
  for (const base::Counter* count : {&started, &succeeded, &failed, &cancelled}) count->send_total();
  in_flight.send();
  latency_max.set(latency.take_max());
  latency_max.send();
}

LocketProbe::LocketProbe(base::Metrics& metrics)
    : process_(metrics),
      database_(metrics),
      requests_{Requests(metrics, RequestType::kLock), Requests(metrics, RequestType::kRelease),
                Requests(metrics, RequestType::kFetch), Requests(metrics, RequestType::kFetchAll)},
      active_locks_(metrics.gauge("ActiveLocks")),
      active_presences_(metrics.gauge("ActivePresences")),
      locks_expired_(metrics.counter("LocksExpired")),
      presences_expired_(metrics.counter("PresenceExpired")) {}

void LocketProbe::request_started(RequestType type) {
  requests(type).started.increment();
  auto& in_flight = requests(type).in_flight;
  in_flight.set(in_flight.value() + 1);
}

void LocketProbe::request_ended(RequestType type, bool succeeded, std::chrono::nanoseconds latency) {
  Requests& of_type = requests(type);
  (succeeded ? of_type.succeeded : of_type.failed).increment();
  of_type.in_flight.set(of_type.in_flight.value() - 1);
  of_type.latency.observe(latency);
}

void LocketProbe::request_cancelled(RequestType type) { requests(type).cancelled.increment(); }

void LocketProbe::expired(std::string_view type) {
  (type == kPresenceType ? presences_expired_ : locks_expired_).increment();
}

void LocketProbe::report_locks(std::int64_t locks, std::int64_t presences) {
  active_locks_.set(static_cast<double>(locks));
  active_presences_.set(static_cast<double>(presences));
  active_locks_.send();
  active_presences_.send();
}

void LocketProbe::report(const sql::DatabaseStatistics& database) {
  database_.report(database);
  for (Requests& of_type : requests_) of_type.report();
}

void LocketProbe::report_expired() {
  locks_expired_.send_total();
  presences_expired_.send_total();
}

}  // namespace rivera::locket
