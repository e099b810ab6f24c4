#include "sql/database_probe.h"

namespace rivera::sql {
namespace {

void report_one(base::Gauge& gauge, std::int64_t value) {
  gauge.set(static_cast<double>(value));
  gauge.send();
}

void report_one(base::DurationGauge& gauge, std::chrono::nanoseconds value) {
  gauge.set(value);
  gauge.send();
}

}  // namespace

DatabaseProbe::DatabaseProbe(base::Metrics& metrics)
    : open_connections_(metrics.gauge("DBOpenConnections")),
      waits_(metrics.gauge("DBWaitCount")),
      waited_(metrics.duration("DBWaitDuration")),
      queries_(metrics.gauge("DBQueriesTotal")),
      queries_succeeded_(metrics.gauge("DBQueriesSucceeded")),
      queries_failed_(metrics.gauge("DBQueriesFailed")),
      queries_in_flight_(metrics.gauge("DBQueriesInFlight")),
      query_duration_max_(metrics.duration("DBQueryDurationMax")) {}

void DatabaseProbe::report(const DatabaseStatistics& statistics) {
  report_one(open_connections_, statistics.open_connections);
  report_one(waits_, statistics.waits);
  report_one(waited_, statistics.waited);
  report_one(queries_, statistics.queries);
  report_one(queries_succeeded_, statistics.queries_succeeded);
  report_one(queries_failed_, statistics.queries_failed);
  report_one(queries_in_flight_, statistics.queries_in_flight_max);
  report_one(query_duration_max_, statistics.query_duration_max);
}

}  // namespace rivera::sql
