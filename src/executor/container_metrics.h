// Samples of what containers use (docs/spec/cell.md §5.4).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/log/log.h"
#include "base/metrics/metrics.h"
#include "executor/executor.h"
#include "executor/garden/container_backend.h"

namespace rivera::executor {

// Lives on the executor's strand.
class ContainerMetricsReporter {
 public:
  struct Sample {
    double cpu_percentage = 0;  // of one core, since the previous sample; 0 in the first
    std::uint64_t memory_bytes = 0;
    std::uint64_t memory_quota_bytes = 0;
    std::uint64_t disk_bytes = 0;  // without the root filesystem's own size
    std::uint64_t disk_quota_bytes = 0;
    std::optional<std::uint64_t> rx_bytes;
    std::optional<std::uint64_t> tx_bytes;
  };

  ContainerMetricsReporter(ContainerBackend& backend, Executor& executor, base::Metrics& metrics, std::string cell_id,
                           base::Logger logger);

  // Samples every created container each `interval`, until cancelled.
  asio::awaitable<void> run(std::chrono::nanoseconds interval);
  asio::awaitable<void> sample_once();

  // The last sample of a container; nullptr if there is none.
  const Sample* find(const std::string& guid) const;

 private:
  struct Usage {
    std::uint64_t cpu_ns = 0;
    std::int64_t age_ns = 0;
  };
  Sample make_sample(const Container& container, const garden::ContainerMetrics& metrics, const Usage* before) const;

  ContainerBackend& backend_;
  Executor& executor_;
  base::Metrics& metrics_;
  std::string cell_id_;
  base::Logger logger_;
  std::map<std::string, Sample> samples_;
  std::map<std::string, Usage> usages_;
};

}  // namespace rivera::executor
