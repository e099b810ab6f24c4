// The rep's configuration file (docs/spec/cell.md §1.19).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/config/config.h"
#include "base/log/log_settings.h"
#include "clients/locket/locket_client.h"
#include "executor/executor.h"
#include "executor/garden/garden_health.h"
#include "models/placement/cell_state.h"
#include "net/limits/client_limits.h"
#include "net/stream/access_control.h"
#include "net/stream/tls.h"

namespace rivera::rep {

// How image layers reach a container (§1.12).
enum class LayeringMode { kSingleLayer, kTwoLayer };

struct Config {
  // identity
  std::string cell_id;
  std::int64_t cell_index = 0;
  std::string zone;
  std::string session_name = "rep";
  std::string advertise_domain;
  bool advertise_preference_for_instance_address = false;
  std::vector<std::string> placement_tags;
  std::vector<std::string> optional_placement_tags;
  models::StackPathMap stacks;
  std::vector<std::string> supported_providers;
  LayeringMode layering_mode = LayeringMode::kSingleLayer;

  // servers and clients
  std::string listen_addr;            // admin
  std::string listen_addr_securable;  // network
  std::string debug_address;
  net::TlsFiles tls;
  net::Authorization authorization = net::Authorization::kAny;  // of both servers
  net::ClientLimits client_limits;                              // of all servers
  std::string bbs_address;
  std::chrono::nanoseconds communication_timeout = std::chrono::seconds(10);
  clients::LocketClientOptions locket;
  std::chrono::seconds lock_ttl{15};
  std::string garden_address;  // "unix:/path" or "http://host:port"

  // reconciliation and evacuation
  std::chrono::nanoseconds polling_interval = std::chrono::seconds(30);
  std::chrono::nanoseconds evacuation_polling_interval = std::chrono::seconds(10);
  std::chrono::nanoseconds evacuation_timeout = std::chrono::minutes(10);
  std::chrono::nanoseconds cleanup_timeout = std::chrono::seconds(15);  // for destroying all containers at the end

  // containers
  std::chrono::nanoseconds container_metrics_interval = std::chrono::seconds(15);
  executor::ExecutorOptions executor;
  executor::GardenHealthOptions garden_health;
  std::filesystem::path app_log_directory;  // for files with application logs; empty: none. Not an upstream key

  base::LogSettings log;
  base::ConfigNotices notices;  // to be logged at start
};

// Every key that upstream knows, and ours.
const base::ConfigKeys& config_keys();

// `zone`, if not empty, replaces the file's. Throws base::ConfigError.
Config load_config(const std::string& path, const std::string& zone = "");

// "https://<cell id>.<advertise domain>:<port of the network listener>", with "_" as "-".
std::string rep_url(const Config& config);
// The memory in MB that the container proxy adds to each LRP with a memory limit; 0 if the proxy is off.
std::int64_t proxy_memory_mb(const Config& config);

}  // namespace rivera::rep
