// The periodic test whether Garden can create and run containers (docs/spec/cell.md §2.13).
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/log/log.h"
#include "base/metrics/metrics.h"
#include "base/work/worker_pool.h"
#include "executor/garden/container_backend.h"

namespace rivera::executor {

struct GardenHealthOptions {
  std::string owner = "executor-health-check";  // property executor:owner
  std::string rootfs;                           // empty: Garden's default
  std::string process_path = "/bin/sh";
  std::vector<std::string> process_args;
  std::string process_user = "vcap";
  std::vector<std::string> process_env;
  std::string process_dir;
  std::chrono::nanoseconds interval = std::chrono::minutes(10);           // between cycles while healthy
  std::chrono::nanoseconds unhealthy_interval = std::chrono::seconds(5);  // the same while unhealthy
  std::chrono::nanoseconds timeout = std::chrono::minutes(10);            // of one cycle
  std::chrono::nanoseconds retry_pause = std::chrono::seconds(1);         // between the three attempts of a call
};

// Periodically creates a container, runs a process in it to its end, and destroys it. Healthy until the first cycle
// fails. A Garden that does not answer is unhealthy; the process continues.
//
// Lives on the executor's strand.
class GardenHealth {
 public:
  GardenHealth(ContainerBackend& backend, GardenHealthOptions options, base::Metrics& metrics, base::Logger logger);

  // Runs cycles until cancelled.
  asio::awaitable<void> run();
  // Runs one cycle. Throws the reason if it fails.
  asio::awaitable<void> check();
  bool healthy() const { return healthy_; }

 private:
  asio::awaitable<void> destroy_old_containers();
  asio::awaitable<void> destroy(std::string handle);
  asio::awaitable<int> run_process(std::string handle);
  asio::awaitable<std::string> failure_of_cycle();
  void set_healthy(bool healthy, const std::string& reason);

  ContainerBackend& backend_;
  GardenHealthOptions options_;
  base::Metrics& metrics_;
  base::Logger logger_;
  bool healthy_ = true;
};

}  // namespace rivera::executor
