// The BBS's metrics (docs/spec/bbs.md §7.2).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/metrics/metrics.h"
#include "base/metrics/process_probe.h"
#include "bbs/convergence/convergence.h"
#include "sql/database_probe.h"

namespace rivera::bbs {

// Upstream's key `advanced_metrics`: routes, by name, whose requests are counted and timed on their own as well.
struct AdvancedMetrics {
  std::vector<std::string> request_count;
  std::vector<std::string> request_latency;
};

// The counters of one route. A value, made once for each route.
class RequestMeter {
 public:
  void served(std::chrono::nanoseconds took);
  // For event streams, which have no latency.
  void served();

 private:
  friend class BbsProbe;
  RequestMeter(base::Counter& count, base::Latency& latency) : count_(&count), latency_(&latency) {}

  base::Counter* count_;
  base::Latency* latency_;
  base::Counter* own_count_ = nullptr;    // null: not configured
  base::Latency* own_latency_ = nullptr;  // null: not configured
};

// Recording is thread-safe; each report...() is called by one caller, as often as its comment says.
class BbsProbe {
 public:
  BbsProbe(base::Metrics& metrics, AdvancedMetrics advanced);

  // Recording.
  RequestMeter meter_of(const std::string& route);
  void lock_held(bool is_held);
  void lrps_converged(const LRPConvergence& plan, std::chrono::nanoseconds took);
  void tasks_converged(const TaskFindings& found, std::chrono::nanoseconds took);
  void task_started(const std::string& cell_id);
  void task_ended(const std::string& cell_id, bool has_failed);
  void envelopes_lost(std::uint64_t so_far);

  // Each called once; sent immediately.
  void elected();
  void migrated(std::chrono::nanoseconds took);
  void encrypted(std::chrono::nanoseconds took);

  // Every report_interval: the lock and the open files, on a standby too; the requests of the active one.
  void report_process();
  void report_requests();
  // Every 10 s.
  void report_runtime() { process_.report_runtime(); }
  // Every 15 s: the findings of the last convergence.
  void report_statistics();
  // Every 60 s.
  void report_database(const sql::DatabaseStatistics& statistics) { database_.report(statistics); }

 private:
  void set_domains(const LRPConvergence& plan);

  base::Metrics& metrics_;
  const AdvancedMetrics advanced_;
  base::ProcessProbe process_;
  sql::DatabaseProbe database_;

  base::Gauge& lock_held_;
  base::Gauge& elected_;
  base::Gauge& envelopes_lost_;
  base::DurationGauge& migration_duration_;
  base::DurationGauge& encryption_duration_;

  base::Counter& request_count_;
  base::Latency& request_latency_;
  std::vector<base::Counter*> route_counts_;
  std::vector<base::Latency*> route_latencies_;

  std::vector<base::Gauge*> lrp_gauges_;   // in the order of a table in the .cc file
  std::vector<base::Gauge*> task_gauges_;  // likewise
  base::Counter& lrp_runs_;
  base::DurationGauge& lrp_duration_;
  base::Counter& task_runs_;
  base::DurationGauge& task_duration_;
  base::Counter& tasks_pruned_;
  base::Counter& tasks_kicked_;
  std::vector<std::string> fresh_domains_;  // of the last run; used on the home strand
};

}  // namespace rivera::bbs
