// A container, as callers of the executor see it (docs/spec/cell.md §2.1, §2.7).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/models.h"

namespace rivera::executor {

// reserved -> initializing -> created -> running, and any of them -> completed.
enum class ContainerState { kReserved, kInitializing, kCreated, kRunning, kCompleted };

// "reserved", "initializing", "created", "running", "completed".
std::string_view name_of(ContainerState state);
// nullopt for any other text.
std::optional<ContainerState> container_state_of(std::string_view name);

// The owner's annotations of a container. The executor stores them and does not read them.
using Tags = std::map<std::string, std::string>;

// The resources of a container. Zero memory or disk means that there is no limit and nothing is reserved.
struct Resource {
  std::int64_t memory_mb = 0;
  std::int64_t disk_mb = 0;
  std::int64_t max_pids = 0;
};

// The total or remaining resources of a cell.
struct Resources {
  std::int64_t memory_mb = 0;
  std::int64_t disk_mb = 0;
  std::int64_t containers = 0;

  bool operator==(const Resources&) const = default;
};

struct LogConfig {
  std::string owner;  // the process guid of an LRP or the guid of a task; names the log for operators
  std::string guid;
  std::int32_t index = 0;
  std::string source_name;  // "LOG" if empty
  std::map<std::string, std::string> tags;
};

struct MetricsConfig {
  std::string guid;
  std::int32_t index = 0;
  std::map<std::string, std::string> tags;
};

struct PortMapping {
  std::uint32_t container_port = 0;
  std::uint32_t host_port = 0;  // 0: not mapped
  std::uint32_t container_tls_proxy_port = 0;
  std::uint32_t host_tls_proxy_port = 0;

  bool operator==(const PortMapping&) const = default;
};

// The definition of a container. Messages that are absent in the LRP or task are nullopt.
struct RunInfo {
  std::string rootfs;  // in the form that Garden accepts
  std::uint32_t cpu_weight = 0;
  std::vector<std::uint32_t> ports;
  std::vector<std::string> internal_routes;
  LogConfig log_config;
  MetricsConfig metrics_config;
  std::chrono::milliseconds start_timeout{0};  // 0: none
  bool privileged = false;
  std::vector<models::CachedDependency> cached_dependencies;
  std::optional<models::Action> setup;
  std::optional<models::Action> action;
  std::optional<models::Action> monitor;
  std::optional<models::CheckDefinition> check_definition;
  std::vector<models::SecurityGroupRule> egress_rules;
  std::vector<models::EnvironmentVariable> env;
  std::string trusted_system_certificates_path;
  std::vector<models::VolumeMount> volume_mounts;
  std::map<std::string, std::string> network_properties;
  models::CertificateProperties certificate_properties;
  std::string image_username;
  std::string image_password;
  bool enable_container_proxy = false;
  std::vector<models::Sidecar> sidecars;
  std::int64_t log_rate_limit_bytes_per_second = -1;  // -1: unlimited, 0: no output is logged
  std::vector<models::File> volume_mounted_files;
};

// How a container ended.
struct RunResult {
  bool failed = false;
  std::string failure_reason{};
  bool retryable = false;  // none of the work was started, so that another cell may do it
  bool stopped = false;    // the end was requested
  bool lost = false;       // the platform lost what ran, which is not the application's failure

  bool operator==(const RunResult&) const = default;
};

struct Container {
  std::string guid;
  Resource resource;
  Tags tags;
  RunInfo run_info;
  ContainerState state = ContainerState::kReserved;
  bool routable = false;
  std::int64_t allocated_at = 0;  // Unix nanoseconds
  std::string external_ip;        // the cell's
  std::string internal_ip;
  std::string internal_ip_v6;
  std::vector<PortMapping> ports;
  RunResult run_result;

  // "" if there is no such tag.
  const std::string& tag(std::string_view name) const;
};

struct AllocationRequest {
  std::string guid;
  Resource resource;
  std::string rootfs;  // reported until the run request sets it
  Tags tags;
};

struct AllocationFailure {
  std::string guid;
  std::string reason;
};

struct RunRequest {
  std::string guid;
  RunInfo run_info;
  Tags tags;  // added to those of the allocation
};

// Changes of an existing container. Absent fields stay as they are.
struct ContainerUpdate {
  std::optional<std::vector<std::string>> internal_routes;
  std::optional<std::map<std::string, std::string>> metric_tags;
};

enum class EventKind { kReserved, kRunning, kComplete };

struct ContainerEvent {
  EventKind kind;
  std::string guid;
};

// The longest failure reason in bytes. The middle of a longer one is removed (§2.2).
inline constexpr std::size_t kFailureReasonLimit = 10'000;
std::string truncated_failure_reason(std::string reason);

// Text that a container wrote, in a form that every store accepts: U+FFFD stands for each invalid byte and each NUL.
std::string storable_text(std::string_view text);

}  // namespace rivera::executor
