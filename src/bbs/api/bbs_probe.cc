#include "bbs/api/bbs_probe.h"

#include <algorithm>

namespace rivera::bbs {
namespace {

struct LRPGauge {
  const char* name;
  std::int64_t (*value)(const LRPConvergence& plan);
};
constexpr LRPGauge kLRPGauges[] = {
    {"LRPsUnclaimed", [](const LRPConvergence& plan) { return plan.counts.unclaimed; }},
    {"LRPsClaimed", [](const LRPConvergence& plan) { return plan.counts.claimed; }},
    {"LRPsRunning", [](const LRPConvergence& plan) { return plan.counts.running; }},
    {"CrashedActualLRPs", [](const LRPConvergence& plan) { return plan.counts.crashed; }},
    {"LRPsMissing", [](const LRPConvergence& plan) { return plan.counts.missing; }},
    {"LRPsExtra", [](const LRPConvergence& plan) { return plan.counts.extra; }},
    {"SuspectRunningActualLRPs", [](const LRPConvergence& plan) { return plan.counts.suspect_running; }},
    {"SuspectClaimedActualLRPs", [](const LRPConvergence& plan) { return plan.counts.suspect_claimed; }},
    {"LRPsDesired", [](const LRPConvergence& plan) { return plan.counts.desired; }},
    {"CrashingDesiredLRPs", [](const LRPConvergence& plan) { return plan.counts.crashing_desired; }},
    {"PresentCells", [](const LRPConvergence& plan) { return plan.counts.present_cells; }},
    {"SuspectCells", [](const LRPConvergence& plan) { return plan.counts.missing_cells; }},
};

struct TaskGauge {
  const char* name;
  std::int64_t TaskConvergence::Counts::*value;
};
constexpr TaskGauge kTaskGauges[] = {
    {"TasksPending", &TaskConvergence::Counts::pending},
    {"TasksRunning", &TaskConvergence::Counts::running},
    {"TasksCompleted", &TaskConvergence::Counts::completed},
    {"TasksResolving", &TaskConvergence::Counts::resolving},
};

constexpr char kTasksStarted[] = "TasksStarted";
constexpr char kTasksSucceeded[] = "TasksSucceeded";
constexpr char kTasksFailed[] = "TasksFailed";

base::MetricLabels of_cell(const std::string& cell_id) { return {{"cell-id", cell_id}}; }

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void send_once(base::DurationGauge& gauge, std::chrono::nanoseconds value) {
  gauge.set(value);
  gauge.send();
}

}  // namespace

void RequestMeter::served(std::chrono::nanoseconds took) {
  served();
  latency_->observe(took);
  if (own_latency_ != nullptr) own_latency_->observe(took);
}

void RequestMeter::served() {
  count_->increment();
  if (own_count_ != nullptr) own_count_->increment();
}

BbsProbe::BbsProbe(base::Metrics& metrics, AdvancedMetrics advanced)
    : metrics_(metrics),
      advanced_(std::move(advanced)),
      process_(metrics),
      database_(metrics),
      lock_held_(metrics.gauge("LockHeld")),
      elected_(metrics.gauge("BBSMasterElected")),
      envelopes_lost_(metrics.gauge("LoggregatorEnvelopesLost")),
      migration_duration_(metrics.duration("MigrationDuration")),
      encryption_duration_(metrics.duration("EncryptionDuration")),
      request_count_(metrics.counter("RequestCount")),
      request_latency_(metrics.latency("RequestLatency")),
      lrp_runs_(metrics.counter("ConvergenceLRPRuns")),
      lrp_duration_(metrics.duration("ConvergenceLRPDuration")),
      task_runs_(metrics.counter("ConvergenceTaskRuns")),
      task_duration_(metrics.duration("ConvergenceTaskDuration")),
      tasks_pruned_(metrics.counter("ConvergenceTasksPruned")),
      tasks_kicked_(metrics.counter("ConvergenceTasksKicked")) {
  for (const LRPGauge& gauge : kLRPGauges) lrp_gauges_.push_back(&metrics.gauge(gauge.name));
  for (const TaskGauge& gauge : kTaskGauges) task_gauges_.push_back(&metrics.gauge(gauge.name));
}

RequestMeter BbsProbe::meter_of(const std::string& route) {
  RequestMeter meter(request_count_, request_latency_);
  if (contains(advanced_.request_count, route)) {
    meter.own_count_ = &metrics_.counter("RequestCount." + route);
    route_counts_.push_back(meter.own_count_);
  }
  if (contains(advanced_.request_latency, route)) {
    meter.own_latency_ = &metrics_.latency("RequestLatency." + route);
    route_latencies_.push_back(meter.own_latency_);
  }
  return meter;
}

void BbsProbe::lock_held(bool is_held) { lock_held_.set(is_held ? 1 : 0); }

void BbsProbe::lrps_converged(const LRPConvergence& plan, std::chrono::nanoseconds took) {
  lrp_runs_.increment();
  lrp_duration_.set(took);
  for (std::size_t i = 0; i < lrp_gauges_.size(); ++i) {
    lrp_gauges_[i]->set(static_cast<double>(kLRPGauges[i].value(plan)));
  }
  set_domains(plan);
}

// Loggregator has a metric for each fresh domain; Prometheus one with the domain as its label.
void BbsProbe::set_domains(const LRPConvergence& plan) {
  for (const std::string& domain : plan.expired_domains) metrics_.set("Domain", 0, {{"domain", domain}});
  for (const std::string& domain : plan.fresh_domains) metrics_.set("Domain", 1, {{"domain", domain}});
  fresh_domains_ = plan.fresh_domains;
}

void BbsProbe::tasks_converged(const TaskFindings& found, std::chrono::nanoseconds took) {
  task_runs_.increment();
  task_duration_.set(took);
  for (std::size_t i = 0; i < task_gauges_.size(); ++i) {
    task_gauges_[i]->set(static_cast<double>(found.counts.*kTaskGauges[i].value));
  }
  tasks_pruned_.increment(found.pruned);
  tasks_kicked_.increment(found.kicked);
}

void BbsProbe::task_started(const std::string& cell_id) {
  metrics_.counter(kTasksStarted, of_cell(cell_id)).increment();
}

void BbsProbe::task_ended(const std::string& cell_id, bool has_failed) {
  metrics_.counter(has_failed ? kTasksFailed : kTasksSucceeded, of_cell(cell_id)).increment();
}

void BbsProbe::envelopes_lost(std::uint64_t so_far) { envelopes_lost_.set(static_cast<double>(so_far)); }

void BbsProbe::elected() {
  elected_.set(1);
  elected_.send();
}

void BbsProbe::migrated(std::chrono::nanoseconds took) { send_once(migration_duration_, took); }
void BbsProbe::encrypted(std::chrono::nanoseconds took) { send_once(encryption_duration_, took); }

void BbsProbe::report_process() {
  lock_held_.send();
  process_.report_open_files();
}

void BbsProbe::report_requests() {
  request_count_.send_growth();
  request_latency_.send_max();
  for (base::Counter* count : route_counts_) count->send_growth();
  for (base::Latency* latency : route_latencies_) latency->send_max();
}

void BbsProbe::report_statistics() {
  lrp_runs_.send_growth_if_any();
  lrp_duration_.send();
  for (const std::string& domain : fresh_domains_)
    metrics_.sink().send_gauge("Domain." + domain, 1, base::kPlainUnit, {});
  for (const base::Gauge* gauge : lrp_gauges_) gauge->send();
  task_runs_.send_growth_if_any();
  task_duration_.send();
  for (const base::Gauge* gauge : task_gauges_) gauge->send();
  tasks_pruned_.send_growth();
  tasks_kicked_.send_growth();
  for (const char* per_cell : {kTasksStarted, kTasksSucceeded, kTasksFailed}) metrics_.send_totals(per_cell);
}

}  // namespace rivera::bbs
