// The metrics of a component's database (docs/spec/bbs.md §7.2, docs/spec/locket-and-auction.md §1.9).
#pragma once

#include "base/metrics/metrics.h"
#include "sql/database.h"

namespace rivera::sql {

class DatabaseProbe {
 public:
  explicit DatabaseProbe(base::Metrics& metrics);

  // Records and sends them.
  void report(const DatabaseStatistics& statistics);

 private:
  base::Gauge& open_connections_;
  base::Gauge& waits_;
  base::DurationGauge& waited_;
  base::Gauge& queries_;
  base::Gauge& queries_succeeded_;
  base::Gauge& queries_failed_;
  base::Gauge& queries_in_flight_;
  base::DurationGauge& query_duration_max_;
};

}  // namespace rivera::sql
