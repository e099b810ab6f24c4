#include "rep/reports/metrics_report.h"

#include "base/work/wait.h"
#include "rep/settings/container_tags.h"

namespace rivera::rep {
namespace {

models::ContainerMetrics wire_metrics(const executor::Container& container,
                                      const executor::ContainerMetricsReporter::Sample& sample) {
  models::ContainerMetrics metrics;
  metrics.metric_guid = container.run_info.metrics_config.guid;
  metrics.cpu_usage_fraction = sample.cpu_percentage / 100;
  metrics.disk_usage_bytes = sample.disk_bytes;
  metrics.disk_quota_bytes = sample.disk_quota_bytes;
  metrics.memory_usage_bytes = sample.memory_bytes;
  metrics.memory_quota_bytes = sample.memory_quota_bytes;
  metrics.rx_bytes = sample.rx_bytes;
  metrics.tx_bytes = sample.tx_bytes;
  return metrics;
}

}  // namespace

models::ContainerMetricsCollection metrics_collection(const std::string& cell_id, const executor::Executor& executor,
                                                      const executor::ContainerMetricsReporter& samples) {
  models::ContainerMetricsCollection collection;
  collection.cell_id = cell_id;
  executor.visit([&](const executor::Container& container) {
    const auto* sample = samples.find(container.guid);
    if (!sample) return;
    const auto metrics = wire_metrics(container, *sample);
    if (lifecycle_of(container) == Lifecycle::kTask) {
      collection.tasks.push_back({.task_guid = container.guid, .metrics = metrics});
    } else if (const auto identity = lrp_identity(container, cell_id)) {
      collection.lrps.push_back({.instance_guid = identity->instance.instance_guid(),
                                 .process_guid = identity->key.process_guid(),
                                 .index = identity->key.index(),
                                 .metrics = metrics});
    }
  });
  return collection;
}

asio::awaitable<void> report_capacity(const executor::Executor& executor, base::Metrics& metrics, std::string zone) {
  const base::MetricLabels labels{{"zone", zone}};
  for (;;) {
    const auto total = executor.total();
    const auto remaining = executor.remaining();
    std::int64_t starting = 0;
    executor.visit([&starting](const executor::Container& container) {
      using executor::ContainerState;
      if (container.state != ContainerState::kRunning && container.state != ContainerState::kCompleted) ++starting;
    });
    const auto set = [&](const char* name, std::int64_t value) {
      metrics.set(name, static_cast<double>(value), labels);
    };
    set("CapacityTotalMemory", total.memory_mb);
    set("CapacityTotalDisk", total.disk_mb);
    set("CapacityTotalContainers", total.containers);
    set("CapacityRemainingMemory", remaining.memory_mb);
    set("CapacityRemainingDisk", remaining.disk_mb);
    set("CapacityRemainingContainers", remaining.containers);
    set("CapacityAllocatedMemory", total.memory_mb - remaining.memory_mb);
    set("CapacityAllocatedDisk", total.disk_mb - remaining.disk_mb);
    set("ContainerCount", static_cast<std::int64_t>(executor.size()));
    set("StartingContainerCount", starting);
    co_await base::sleep_for(std::chrono::minutes(1));
  }
}

}  // namespace rivera::rep
