// The BBS's configuration file (docs/spec/bbs.md §7.1).
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "base/config/config.h"
#include "base/log/log_settings.h"
#include "bbs/api/bbs_probe.h"
#include "bbs/program/convergence_loop.h"
#include "bbs/store/database_check_loop.h"
#include "clients/auctioneer_client.h"
#include "clients/locket/locket_client.h"
#include "clients/loggregator_client.h"
#include "clients/rep_client.h"
#include "net/limits/client_limits.h"
#include "net/stream/access_control.h"
#include "net/stream/tls.h"
#include "sql/database_config.h"

namespace rivera::bbs {

struct Config {
  std::string uuid;  // owner of the lock
  std::string listen_address;
  std::string health_address;
  std::string debug_address;  // "" = none
  net::TlsFiles tls;          // of the API, and towards task callbacks
  net::Authorization authorization = net::Authorization::kAny;
  net::ClientLimits client_limits;  // of the API, health and debug addresses
  sql::DatabaseConfig database;
  std::map<std::string, std::string> encryption_keys;  // label to passphrase: never log
  std::string active_key_label;
  clients::LocketClientOptions locket;
  std::chrono::seconds lock_ttl{15};
  std::chrono::nanoseconds lock_retry_interval = std::chrono::seconds(5);
  clients::AuctioneerClientOptions auctioneer;
  clients::RepClientOptions rep;
  std::chrono::nanoseconds communication_timeout = std::chrono::seconds(10);
  ConvergenceLoop::Options convergence;
  DatabaseCheckLoop::Options database_check;
  // Not upstream's, `reconcile_with_database_before_calls`: each call sees what others wrote to the database. For test
  // suites that write to the database of a running BBS; it costs a comparison of every row a call.
  bool reconcile_before_calls = false;
  std::size_t update_workers = 1000;         // calls to reps at once
  std::size_t task_callback_workers = 1000;  // callbacks at once
  std::int32_t max_task_retries = 3;
  base::LogSettings log;
  std::string session_name = "bbs";
  std::string access_log_path;  // "" = none
  clients::LoggregatorOptions loggregator;
  std::chrono::nanoseconds report_interval = std::chrono::minutes(1);
  AdvancedMetrics advanced_metrics;
  base::ConfigNotices notices;  // to be logged at start
};

// Every key that upstream knows (docs/spec/bbs.md §7.1), and ours.
const base::ConfigKeys& config_keys();

// Throws base::ConfigError, one line that names file and key. Reads no other file.
Config load_config(const std::string& path);

}  // namespace rivera::bbs
