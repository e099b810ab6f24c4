// Metrics of the containers, for GET /container_metrics and for the metrics page (docs/spec/cell.md §1.8, §2.19).
#pragma once

#include <string>

#include "base/metrics/metrics.h"
#include "executor/container_metrics.h"
#include "executor/executor.h"
#include "models/placement/auction_json.h"

namespace rivera::rep {

// The last sample of each container, for LRPs and for tasks.
models::ContainerMetricsCollection metrics_collection(const std::string& cell_id, const executor::Executor& executor,
                                                      const executor::ContainerMetricsReporter& samples);

// Sets the capacity gauges every minute, until cancelled.
asio::awaitable<void> report_capacity(const executor::Executor& executor, base::Metrics& metrics, std::string zone);

}  // namespace rivera::rep
