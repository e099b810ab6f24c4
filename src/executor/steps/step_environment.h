// What the steps of one container share.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log/log.h"
#include "base/metrics/metrics.h"
#include "base/work/task_group.h"
#include "executor/garden/container_backend.h"
#include "executor/logs/app_log.h"
#include "executor/steps/limiter.h"
#include "executor/steps/step_journal.h"

namespace rivera::executor {

class CachedDownloader;
class Uploader;

struct StepSettings {
  std::chrono::nanoseconds graceful_shutdown_interval = std::chrono::seconds(10);
  std::chrono::nanoseconds exit_timeout = std::chrono::seconds(1);  // after SIGKILL
  std::chrono::nanoseconds healthy_interval = std::chrono::seconds(30);
  std::chrono::nanoseconds unhealthy_interval = std::chrono::seconds(2);
  std::chrono::nanoseconds retry_interval = std::chrono::milliseconds(500);  // while the container server is away
  std::chrono::milliseconds check_default_timeout{1000};
  std::string check_path = "/etc/cf-assets/healthcheck/healthcheck";  // inside containers
  // Where declarative checks run: in a root filesystem of their own, or, if empty, in the container's.
  std::string sidecar_rootfs;
  std::vector<std::string> post_setup_hook;
  std::string post_setup_user;
};

// Lives as long as the container's tree of steps; everything it refers to lives longer.
struct StepEnvironment {
  asio::any_io_executor executor;
  std::string handle;
  const StepSettings& settings;
  ContainerBackend& backend;
  CachedDownloader& downloader;
  Uploader& uploader;
  Limiter& downloads;
  Limiter& uploads;
  Limiter& checks;
  base::TaskGroup& tasks;  // the container's own
  StepJournal& journal;
  AppLog& log;
  const base::Clock& clock;
  base::WorkerPool& workers;
  base::Metrics& metrics;
  base::Logger logger;
  std::vector<std::string> network_environment;
  std::vector<garden::BindMount> mounts;  // of the container; for processes with a root filesystem of their own
  bool resumed = false;                   // the container's processes may exist already
  bool resumed_running = false;           // the container was healthy when the process before this one went away
};

}  // namespace rivera::executor
