// The dependencies of the steps of one container.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log/log.h"
#include "base/metrics/metrics.h"
#include "base/work/task_group.h"
#include "base/work/worker_pool.h"
#include "executor/garden/container_backend.h"
#include "executor/identity/proxy_config.h"
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
  // The root filesystem in which declarative checks run; empty: the container's.
  std::string sidecar_rootfs;
  std::vector<std::string> post_setup_hook;
  std::string post_setup_user;
};

// What every asynchronous part of the executor needs.
struct Runtime {
  asio::any_io_executor executor;
  base::WorkerPool& workers;
  const base::Clock& clock;
};

// Transfer of files between the network and containers, limited for the whole cell.
struct TransferServices {
  CachedDownloader& downloader;
  Uploader& uploader;
  Limiter& download_slots;
  Limiter& upload_slots;
};

// What this process knows about a container when it starts to manage it.
enum class Origin {
  kNew,             // created by this process
  kResumed,         // created before a restart: its processes may already exist
  kResumedRunning,  // the same, and it was healthy
};

// The container in which steps run.
struct StepContainer {
  std::string handle;
  Origin origin = Origin::kNew;
  std::vector<std::string> network_environment;  // NAME=value
  std::vector<garden::BindMount> mounts;         // also for processes with a root filesystem of their own
  bool was_routable = false;                     // kResumedRunning: what readiness checks had said before
  base::Timestamp creation_begun_at{};           // kNew: when its creation began
  std::uint64_t disk_limit = 0;                  // bytes, its root filesystem included; 0: none
  const ProxyOptions* proxy = nullptr;           // of the TLS proxy in front of it; null: there is none
  std::vector<std::uint32_t> proxy_ports{};      // on which the proxy listens

  bool is_resumed() const { return origin != Origin::kNew; }
};

// Failures of the container server while a container's steps ran. They say nothing about the application, so that a
// check which failed while one of the counts grew is repeated.
struct PlatformFailures {
  std::uint64_t outages = 0;   // the server did not answer
  std::uint64_t refusals = 0;  // it could not run a check, or lost its process
  bool process_lost = false;   // it no longer knows a process of the application
};

// Where steps report what happens.
struct StepReporting {
  AppLog& app_log;
  base::Metrics& metrics;
  base::Logger logger;
};

// What the steps of one container share. Lives as long as the tree of steps; everything it refers to lives longer.
struct StepEnvironment {  // NOLINT(cppcoreguidelines-pro-type-member-init): those are references
  StepContainer container;
  const StepSettings& settings;
  Runtime runtime;
  ContainerBackend& backend;
  TransferServices transfers;
  Limiter& check_slots;
  base::TaskGroup& tasks;  // the coroutines of this container's steps
  StepJournal& journal;
  StepReporting reporting;
  PlatformFailures platform{};
};

}  // namespace rivera::executor
