#include "executor/container_metrics.h"

#include <algorithm>

#include "base/units.h"
#include "base/work/cancellation.h"
#include "base/work/wait.h"

namespace rivera::executor {
namespace {

bool is_created(const Container& container) {
  return container.state == ContainerState::kCreated || container.state == ContainerState::kRunning;
}

}  // namespace

ContainerMetricsReporter::ContainerMetricsReporter(ContainerBackend& backend, Executor& executor,
                                                   base::Metrics& metrics, std::string cell_id, base::Logger logger)
    : backend_(backend),
      executor_(executor),
      metrics_(metrics),
      cell_id_(std::move(cell_id)),
      logger_(logger.session("container-metrics-reporter")) {}

asio::awaitable<void> ContainerMetricsReporter::run(std::chrono::nanoseconds interval) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  for (;;) {
    co_await base::sleep_for(interval);
    try {
      co_await sample_once();
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      logger_.error("failed-to-get-metrics", {{"error", e.what()}});
    }
  }
}

asio::awaitable<void> ContainerMetricsReporter::sample_once() {
  std::vector<std::string> handles;
  executor_.visit([&handles](const Container& container) {
    if (is_created(container)) handles.push_back(container.guid);
  });
  std::map<std::string, clients::BulkEntry<garden::ContainerMetrics>> entries;
  if (!handles.empty()) entries = co_await backend_.bulk_metrics(handles);

  std::map<std::string, Sample> samples;
  std::map<std::string, Usage> usages;
  std::uint64_t memory = 0;  // whole mebibytes of each
  std::uint64_t disk = 0;
  for (const auto& [guid, entry] : entries) {
    const auto container = executor_.get(guid);
    if (!container || !entry.error.empty()) continue;
    const auto before = usages_.find(guid);
    const auto sample = make_sample(*container, entry.value, before == usages_.end() ? nullptr : &before->second);
    memory += sample.memory_bytes / base::kMebibyte;
    disk += sample.disk_bytes / base::kMebibyte;
    samples.emplace(guid, sample);
    usages.emplace(guid, Usage{.cpu_ns = entry.value.cpu.usage, .age_ns = entry.value.age_ns});
  }
  samples_ = std::move(samples);
  usages_ = std::move(usages);
  metrics_.set("ContainerUsageMemory", static_cast<double>(memory), {{"cell_id", cell_id_}});
  metrics_.set("ContainerUsageDisk", static_cast<double>(disk), {{"cell_id", cell_id_}});
}

ContainerMetricsReporter::Sample ContainerMetricsReporter::make_sample(const Container& container,
                                                                       const garden::ContainerMetrics& metrics,
                                                                       const Usage* before) const {
  Sample sample;
  const auto rootfs_size = executor_.rootfs_size(container.run_info.rootfs);
  // Without the proxy's share. An unlimited quota of a proxied container wraps, as upstream's.
  const auto limit = static_cast<std::uint64_t>(std::max<std::int64_t>(container.resource.memory_mb, 0));
  const auto proxy = static_cast<std::uint64_t>(std::max<std::int64_t>(executor_.proxy_memory_mb(container), 0));
  sample.memory_bytes = metrics.total_usage_toward_limit;
  if (proxy > 0 && limit > proxy) {
    const auto share = static_cast<double>(limit - proxy) / static_cast<double>(limit);
    sample.memory_bytes = static_cast<std::uint64_t>(static_cast<double>(sample.memory_bytes) * share);
  }
  sample.memory_quota_bytes = (limit - proxy) * base::kMebibyte;
  sample.disk_bytes = metrics.disk.total_bytes_used - std::min(metrics.disk.total_bytes_used, rootfs_size);
  sample.disk_quota_bytes = static_cast<std::uint64_t>(container.resource.disk_mb) * base::kMebibyte;
  if (metrics.network) {
    sample.rx_bytes = metrics.network->rx_bytes;
    sample.tx_bytes = metrics.network->tx_bytes;
  }
  if (before && metrics.age_ns > before->age_ns && metrics.cpu.usage >= before->cpu_ns) {
    sample.cpu_percentage = static_cast<double>(metrics.cpu.usage - before->cpu_ns) * 100 /
                            static_cast<double>(metrics.age_ns - before->age_ns);
  }
  return sample;
}

const ContainerMetricsReporter::Sample* ContainerMetricsReporter::find(const std::string& guid) const {
  const auto found = samples_.find(guid);
  return found == samples_.end() ? nullptr : &found->second;
}

}  // namespace rivera::executor
