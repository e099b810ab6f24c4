// The router's configuration file: YAML with upstream's keys (docs/spec/routing.md §3.26).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/config/config.h"
#include "base/log/log.h"
#include "net/limits/client_limits.h"
#include "net/stream/tls_settings.h"
#include "routing/route_registry.h"

namespace rivera::gorouter {

enum class ForwardedClientCert { kAlwaysForward, kForward, kSanitizeSet };
enum class QueryRedaction { kNone, kAll, kHash };

struct StatusConfig {
  std::string host = "0.0.0.0";
  std::uint16_t port = 8080;
  std::string user;
  std::string pass;
  bool enable_nontls_health_checks = true;
  std::uint16_t tls_port = 8443;
  net::PemIdentity tls;  // empty: no TLS health listener
  std::uint16_t routes_port = 8082;
};

struct NatsConfig {
  std::vector<std::string> hosts = {"localhost:4222"};
  std::string user;
  std::string pass;
  bool tls_enabled = false;
  std::string ca_certs;
  net::PemIdentity identity;
  std::chrono::nanoseconds ping_interval = std::chrono::seconds(20);
};

struct HeaderRewrite {
  std::vector<std::pair<std::string, std::string>> add_if_not_present;
  std::vector<std::string> remove;
};

struct Config {
  std::uint16_t port = 8081;
  bool disable_http = false;
  bool enable_ssl = false;
  std::uint16_t ssl_port = 443;
  net::TlsServerSettings tls;
  int index = 0;
  std::string zone;
  StatusConfig status;
  NatsConfig nats;

  base::LogLevel log_level = base::LogLevel::kDebug;
  base::LogTimeFormat log_time_format = base::LogTimeFormat::kUnixEpoch;
  QueryRedaction redact_query = QueryRedaction::kNone;
  bool disable_log_forwarded_for = false;
  bool disable_log_source_ip = false;
  std::string access_log_file;
  bool access_log_streaming = false;
  std::vector<std::string> extra_headers_to_log;
  std::string debug_addr;
  std::string pid_file;

  routing::RegistryOptions registry;
  std::chrono::nanoseconds prune_interval = std::chrono::seconds(30);
  std::chrono::nanoseconds start_response_delay = std::chrono::seconds(5);
  bool suspend_pruning_if_nats_unavailable = false;
  bool prefer_zone = false;

  std::chrono::nanoseconds endpoint_timeout = std::chrono::seconds(60);  // 0: none
  std::chrono::nanoseconds endpoint_dial_timeout = std::chrono::seconds(5);
  std::chrono::nanoseconds tls_handshake_timeout = std::chrono::seconds(10);
  std::chrono::nanoseconds frontend_idle_timeout = std::chrono::seconds(900);  // bounds a head too, from the one before
  std::chrono::nanoseconds read_header_timeout{0};  // for a head, from its first byte; 0: none of its own
  net::ClientLimits client_limits;                  // of the status and debug addresses; of clients the handshake
  int max_conns = 0;                                // open requests of one endpoint; 0: no limit
  int max_attempts = 1;
  net::PemIdentity backend_identity;
  std::string backend_ca_pem;
  bool disable_keep_alives = true;
  std::size_t max_idle_conns = 100;
  std::size_t max_idle_conns_per_host = 2;

  std::size_t max_request_header_bytes = 1u << 20;
  std::size_t max_response_header_bytes = 1u << 20;
  std::size_t max_request_headers = 0;  // lines; 0: no limit
  std::size_t max_response_headers = 0;
  bool keep_alive_100_continue = false;

  ForwardedClientCert forwarded_client_cert = ForwardedClientCert::kAlwaysForward;
  bool force_forwarded_proto_https = false;
  bool sanitize_forwarded_proto = false;
  std::vector<std::string> hop_by_hop_headers_to_filter;
  HeaderRewrite rewrite;
  std::string trace_key;
  std::string healthcheck_user_agent = "HTTP-Monitor/1.1";
  bool secure_cookies = false;
  std::vector<std::string> sticky_cookie_names = {"JSESSIONID"};
  bool sticky_for_negotiate = false;

  std::chrono::nanoseconds drain_wait{0};
  std::chrono::nanoseconds drain_timeout = std::chrono::seconds(60);

  base::ConfigNotices notices;  // to be logged at start
};

// Every key that upstream knows, and ours.
const base::ConfigKeys& config_keys();

// Throws base::ConfigError. "" gives the defaults, as upstream without -c.
Config load_config(const std::string& path);

}  // namespace rivera::gorouter
