#include "cluster/prepare/component_configs.h"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/files.h"
#include "base/ids.h"
#include "cluster/prepare/certificates.h"

namespace rivera::cluster {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

std::string loopback(std::uint16_t port) { return fmt::format("127.0.0.1:{}", port); }

// Keys every component has.
json::object common(std::uint16_t debug_port) {
  return {{"log_level", "info"},
          {"time_format", "rfc3339"},
          {"debug_address", loopback(debug_port)},
          {"loggregator", json::object{{"loggregator_use_v2_api", false}}}};
}

// Adds the three paths under the names a component gives them.
void add_tls(json::object& config, const net::TlsFiles& files, const char* ca, const char* certificate,
             const char* key) {
  config[ca] = files.ca_file;
  config[certificate] = files.certificate_file;
  config[key] = files.key_file;
}

void add_locket_client(json::object& config, const Settings& s, const net::TlsFiles& files) {
  config["locket_address"] = s.locket_address();
  add_tls(config, files, "locket_ca_cert_file", "locket_client_cert_file", "locket_client_key_file");
  config["locket_client_keepalive_time"] = 10;
  config["locket_client_keepalive_timeout"] = 22;
}

void add_bbs_client(json::object& config, const Settings& s, const net::TlsFiles& files) {
  config["bbs_address"] = s.bbs_url();
  add_tls(config, files, "bbs_ca_cert_file", "bbs_client_cert_file", "bbs_client_key_file");
}

void add_database(json::object& config, const Settings& s, const std::string& component) {
  config["database_driver"] = "sqlite3";
  config["database_connection_string"] = (s.state_dir() / (component + ".db")).string();
  config["max_open_database_connections"] = 8;
}

// A secret of the cluster's own, made once and kept under this name.
std::string kept_secret(const Settings& s, const char* name) {
  const fs::path file = s.state_dir() / name;
  if (fs::exists(file)) return base::read_file(file);
  std::string secret = base::new_guid() + base::new_guid();
  base::write_file_atomically(file, secret, 0600, true);
  return secret;
}

// Text between double quotes in the configuration of nats-server.
std::string nats_text(const std::string& text) { return json::serialize(json::string(text)); }

json::object locket_config(const Settings& s) {
  json::object config = common(s.ports.locket_debug());
  config["listen_address"] = s.locket_address();
  add_tls(config, tls_files(s, "locket"), "ca_file", "cert_file", "key_file");
  add_database(config, s, "locket");
  config["authorization"] = s.authorization;
  return config;
}

json::object bbs_config(const Settings& s) {
  const net::TlsFiles files = tls_files(s, "bbs");
  json::object config = common(s.ports.bbs_debug());
  config["uuid"] = "bbs-1";
  config["listen_address"] = loopback(s.ports.bbs());
  config["health_address"] = loopback(s.ports.bbs_health());
  add_tls(config, files, "ca_file", "cert_file", "key_file");
  add_tls(config, files, "rep_ca_cert", "rep_client_cert", "rep_client_key");
  config["auctioneer_address"] = fmt::format("https://127.0.0.1:{}", s.ports.auctioneer());
  config["auctioneer_require_tls"] = true;
  add_tls(config, files, "auctioneer_ca_cert", "auctioneer_client_cert", "auctioneer_client_key");
  add_locket_client(config, s, files);
  add_database(config, s, "bbs");
  config["active_key_label"] = "key-1";
  config["encryption_keys"] = json::object{{"key-1", kept_secret(s, "encryption_key")}};
  config["communication_timeout"] = "10s";
  config["converge_repeat_interval"] = s.converge_interval;
  config["kick_task_duration"] = s.converge_interval;
  config["expire_completed_task_duration"] = "120s";
  config["expire_pending_task_duration"] = "30m";
  config["update_workers"] = 100;
  config["task_callback_workers"] = 100;
  config["max_task_retries"] = 3;
  config["lock_ttl"] = "15s";
  config["lock_retry_interval"] = "1s";
  config["authorization"] = s.authorization;
  return config;
}

json::object auctioneer_config(const Settings& s) {
  const net::TlsFiles files = tls_files(s, "auctioneer");
  json::object config = common(s.ports.auctioneer_debug());
  config["uuid"] = "auctioneer-1";
  config["listen_address"] = loopback(s.ports.auctioneer());
  add_tls(config, files, "ca_cert_file", "server_cert_file", "server_key_file");
  add_tls(config, files, "rep_ca_cert", "rep_client_cert", "rep_client_key");
  add_bbs_client(config, s, files);
  add_locket_client(config, s, files);
  config["auction_runner_workers"] = 100;
  config["communication_timeout"] = "10s";
  config["cell_state_timeout"] = "1s";
  config["starting_container_weight"] = 0.25;
  config["starting_container_count_maximum"] = 200;
  config["bin_pack_first_fit_weight"] = 0.0;
  config["authorization"] = s.authorization;
  return config;
}

// The executor's part of the rep's flat object.
void add_executor_config(json::object& config, const Settings& s) {
  const fs::path data = s.state_dir() / "rep";
  config["garden_network"] = "unix";
  config["garden_addr"] = s.garden_socket().string();
  config["garden_healthcheck_process_path"] = "/bin/sh";
  config["garden_healthcheck_process_args"] = json::array{"-c", "ls > /tmp/test"};
  config["garden_healthcheck_process_user"] = "vcap";
  config["garden_healthcheck_interval"] = "10m";
  config["garden_healthcheck_timeout"] = "10m";
  config["garden_healthcheck_command_retry_pause"] = "1s";
  config["memory_mb"] = s.cell_memory_mb.empty() ? "auto" : s.cell_memory_mb;
  config["disk_mb"] = s.cell_disk_mb.empty() ? "auto" : s.cell_disk_mb;
  config["cache_path"] = (data / "download_cache").string();
  config["temp_dir"] = (data / "tmp").string();
  config["state_dir"] = (data / "state").string();
  config["app_log_dir"] = s.app_log_dir().string();
  config["max_cache_size_in_bytes"] = 2'000'000'000;
  config["declarative_healthcheck_path"] = s.healthcheck_dir().string();
  config["declarative_healthcheck_default_timeout"] = "1s";
  config["container_max_cpu_shares"] = 1024;
  config["container_inode_limit"] = 200000;
  config["container_reap_interval"] = "10s";
  config["graceful_shutdown_interval"] = "10s";
  config["healthy_monitoring_interval"] = "30s";
  config["unhealthy_monitoring_interval"] = "500ms";
  config["enable_container_proxy"] = false;
  config["enable_unproxied_port_mappings"] = true;
  for (const char* pool : {"create_work_pool_size", "delete_work_pool_size"}) config[pool] = 16;
  config["healthcheck_work_pool_size"] = 16;
}

json::object rep_config(const Settings& s) {
  const net::TlsFiles files = tls_files(s, "rep");
  json::object config = common(s.ports.rep_debug());
  config["cell_id"] = s.cell_id;
  config["cell_index"] = 0;
  config["zone"] = s.zone;
  config["session_name"] = "rep";
  config["advertise_domain"] = "cell.service.cf.internal";
  config["listen_addr"] = loopback(s.ports.rep_admin());
  config["listen_addr_securable"] = fmt::format("0.0.0.0:{}", s.ports.rep());
  add_tls(config, files, "ca_cert_file", "cert_file", "key_file");
  config["bbs_address"] = s.bbs_url();
  add_locket_client(config, s, files);
  config["lock_ttl"] = "15s";
  config["communication_timeout"] = "10s";
  config["polling_interval"] = s.rep_polling_interval;
  config["evacuation_polling_interval"] = "1s";
  config["evacuation_timeout"] = "60s";
  config["preloaded_root_fs"] = json::array{fmt::format("{}:{}", s.stack, s.rootfs_tar().string())};
  config["supported_providers"] = json::array{"docker"};
  config["placement_tags"] = json::array{};
  config["optional_placement_tags"] = json::array{};
  config["layering_mode"] = "single-layer";
  add_executor_config(config, s);
  config["authorization"] = s.authorization;
  return config;
}

json::object route_emitter_config(const Settings& s) {
  json::object config = common(s.ports.route_emitter_debug());
  add_bbs_client(config, s, tls_files(s, "route-emitter"));
  add_locket_client(config, s, tls_files(s, "route-emitter"));
  add_tls(config, tls_files(s, "route-emitter"), "nats_ca_cert_file", "nats_client_cert_file", "nats_client_key_file");
  config["nats_tls_enabled"] = true;
  config["nats_addresses"] = loopback(s.ports.nats());
  config["nats_username"] = "";
  config["nats_password"] = "";
  config["cell_id"] = s.cell_id;
  config["uuid"] = "route-emitter-1";
  config["communication_timeout"] = "10s";
  config["healthcheck_address"] = loopback(s.ports.route_emitter_health());
  config["jitter_factor"] = 0.2;
  config["sync_interval"] = s.route_sync_interval;
  config["unregistration_interval"] = "30s";
  config["unregistration_send_count"] = 20;
  return config;
}

// YAML, of which JSON is a part.
json::object gorouter_config(const Settings& s) {
  const net::TlsFiles files = tls_files(s, "gorouter");
  return {
      {"port", s.ports.router()},
      {"index", 0},
      {"zone", s.zone},
      {"enable_ssl", false},
      {"status", json::object{{"host", "127.0.0.1"},
                              {"port", s.ports.router_status()},
                              {"user", "router-status"},
                              {"pass", kept_secret(s, "router_status_password")},
                              {"enable_nontls_health_checks", true},
                              {"routes", json::object{{"port", s.ports.router_routes()}}}}},
      {"nats", json::object{{"hosts", json::array{json::object{{"hostname", "127.0.0.1"}, {"port", s.ports.nats()}}}},
                            {"user", ""},
                            {"pass", ""},
                            {"tls_enabled", true},
                            {"ca_certs", base::read_file(files.ca_file)},
                            {"cert_chain", base::read_file(files.certificate_file)},
                            {"private_key", base::read_file(files.key_file)}}},
      {"logging", json::object{{"level", "info"}, {"format", json::object{{"timestamp", "rfc3339"}}}}},
      {"debug_addr", loopback(s.ports.gorouter_debug())},
      // The register interval of emitters, and for how long the table fills before the port opens.
      {"start_response_delay_interval", "1s"},
      {"prune_stale_droplets_interval", "30s"},
      {"droplet_stale_threshold", "120s"},
      {"suspend_pruning_if_nats_unavailable", true},
      // As upstream's deployment (docs/spec/routing.md §3.26): large files take long to load up. Alone, the program has
      // 60s.
      {"endpoint_timeout", "900s"},
      {"endpoint_dial_timeout", "5s"},
      {"read_header_timeout", "30s"},
      {"drain_wait", "0s"},
      {"drain_timeout", "5s"},
      {"disable_keep_alives", false},
      {"max_idle_conns", 100},
      {"max_idle_conns_per_host", 100},
      // Clients come without TLS: what they claim about their certificates is not verified.
      {"forwarded_client_cert", "sanitize_set"},
      {"backends", json::object{{"max_conns", 500}, {"max_attempts", 3}}},
      {"max_request_header_bytes", 1048576},
      {"empty_pool_response_code_503", true},
  };
}

json::object file_server_config(const Settings& s) {
  json::object config = common(s.ports.locket_debug());
  config.erase("debug_address");
  config["server_address"] = loopback(s.ports.file_server());
  config["static_directory"] = s.static_dir().string();
  config["https_server_enabled"] = false;
  return config;
}

// What each component may send and receive (docs/spec/routing.md §4), by the subject of its certificate. A greeting is
// answered on a subject of one random word.
constexpr const char* kNatsPermissions = R"(authorization {
  users = [
    { user: "CN=route-emitter,OU=route-emitter,O=Rivera"
      permissions: {
        publish: ["router.register", "router.unregister", "router.greet",
                  "service-discovery.register", "service-discovery.unregister", "service-discovery.greet"]
        subscribe: ["router.start", "service-discovery.start", "*"] } }
    { user: "CN=gorouter,OU=gorouter,O=Rivera"
      permissions: { publish: ["router.start", "*"], subscribe: ["router.*"] } }
    { user: "CN=client,OU=operator,O=Rivera" }
  ]
}
)";

std::string nats_config(const Settings& s) {
  const net::TlsFiles files = tls_files(s, "nats");
  const bool has_roles = s.authorization == "roles";
  return fmt::format(
      "listen: \"127.0.0.1:{}\"\n"
      "http: \"127.0.0.1:{}\"\n"
      "max_pending: 268435456\n"
      "tls {{\n"
      "  cert_file: {}\n"
      "  key_file: {}\n"
      "  ca_file: {}\n"
      "  {}: true\n"
      "  timeout: 5\n"
      "}}\n"
      "{}",
      s.ports.nats(), s.ports.nats_status(), nats_text(files.certificate_file), nats_text(files.key_file),
      nats_text(files.ca_file), has_roles ? "verify_and_map" : "verify", has_roles ? kNatsPermissions : "");
}

bool write_if_changed(const fs::path& file, const std::string& content) {
  if (fs::exists(file) && base::read_file(file) == content) return false;
  base::write_file_atomically(file, content, 0600);
  return true;
}

}  // namespace

fs::path config_file(const Settings& settings, const std::string& component) {
  const char* extension = component == "gorouter" ? ".yml" : component == "nats" ? ".conf" : ".json";
  return settings.config_dir() / (component + extension);
}

std::vector<std::string> write_component_configs(const Settings& s) {
  fs::create_directories(s.state_dir() / "rep" / "tmp");
  fs::create_directories(s.state_dir() / "rep" / "download_cache");
  std::vector<std::string> changed;
  if (write_if_changed(config_file(s, "nats"), nats_config(s))) changed.push_back("nats");
  const std::pair<const char*, json::object> all[] = {{"locket", locket_config(s)},
                                                      {"bbs", bbs_config(s)},
                                                      {"auctioneer", auctioneer_config(s)},
                                                      {"rep", rep_config(s)},
                                                      {"route-emitter", route_emitter_config(s)},
                                                      {"gorouter", gorouter_config(s)},
                                                      {"file-server", file_server_config(s)}};
  for (const auto& [component, config] : all) {
    if (write_if_changed(config_file(s, component), json::serialize(config) + "\n")) changed.push_back(component);
  }
  return changed;
}

}  // namespace rivera::cluster
