// Locket's configuration file (docs/spec/locket-and-auction.md §1.10).
#pragma once

#include <chrono>
#include <string>

#include "base/config/config.h"
#include "base/log/log_settings.h"
#include "clients/loggregator_client.h"
#include "net/limits/client_limits.h"
#include "net/stream/access_control.h"
#include "net/stream/tls.h"
#include "sql/database_config.h"

namespace rivera::locket {

struct Config {
  std::string listen_address;  // gRPC, "0.0.0.0:8891"
  net::TlsFiles tls;           // cert_file, key_file, ca_file
  net::Authorization authorization = net::Authorization::kAny;
  net::ClientLimits client_limits;  // of the debug address; of gRPC the handshake: TLS and the beginning of HTTP/2
  sql::DatabaseConfig database;
  std::string debug_address;  // "" = none
  std::chrono::nanoseconds report_interval = std::chrono::minutes(1);
  base::LogSettings log;
  clients::LoggregatorOptions loggregator;

  bool enable_db_health_check = false;
  std::chrono::nanoseconds health_check_interval = std::chrono::seconds(10);
  std::chrono::nanoseconds health_check_timeout = std::chrono::seconds(5);
  int health_check_failure_threshold = 3;
  base::ConfigNotices notices;  // to be logged at start
};

// Every key that upstream knows, and ours.
const base::ConfigKeys& config_keys();

// Throws base::ConfigError.
Config load_config(const std::string& path);

}  // namespace rivera::locket
