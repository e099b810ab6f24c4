// The route emitter's configuration file (docs/spec/routing.md §2.1).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/config/config.h"
#include "base/log/log_settings.h"
#include "clients/bbs_client.h"
#include "clients/locket/locket_client.h"
#include "net/limits/client_limits.h"
#include "net/stream/tls.h"

namespace rivera::route_emitter {

struct Config {
  std::string name = "route-emitter";  // locket_session_name: the prefix of log messages
  std::string cell_id;                 // if set, local mode: only this cell's instances
  std::string uuid;                    // the lock's owner in global mode
  clients::BbsClientOptions bbs;
  bool register_direct_instance_routes = false;
  bool enable_internal_emitter = false;
  std::string healthcheck_address;  // "" = none
  std::string debug_address;        // "" = none
  net::ClientLimits client_limits;  // of both
  double jitter_factor = 0.2;       // largest delay of the broadcast for a starting router, as a part of the interval

  std::vector<std::string> nats_addresses;  // "host:port"
  std::string nats_username;
  std::string nats_password;
  bool nats_tls_enabled = false;
  net::TlsFiles nats_tls;

  std::chrono::nanoseconds sync_interval = std::chrono::seconds(60);
  std::chrono::nanoseconds unregistration_interval = std::chrono::seconds(30);
  int unregistration_send_count = 20;

  std::optional<clients::LocketClientOptions> locket;  // present in global mode

  base::LogSettings log;
  base::ConfigNotices notices;  // to be logged at start

  bool is_local() const { return !cell_id.empty(); }
};

// Every key that upstream knows, and ours.
const base::ConfigKeys& config_keys();

// Throws base::ConfigError. Global mode without a uuid is an error.
Config load_config(const std::string& path);

}  // namespace rivera::route_emitter
