#include "bbs/program/config.h"

#include "base/config/config.h"

namespace rivera::bbs {
namespace {

using std::chrono::seconds;

std::size_t workers(const base::ConfigFile& file, const char* key, std::int64_t fallback) {
  const std::int64_t count = file.integer(key, fallback);
  if (count < 1 || count > 100'000) file.fail(key, "a number from 1 to 100000");
  return static_cast<std::size_t>(count);
}

std::chrono::nanoseconds positive(const base::ConfigFile& file, const char* key, std::chrono::nanoseconds fallback) {
  const auto value = file.duration(key, fallback);
  if (value <= std::chrono::nanoseconds(0)) file.fail(key, "a duration above zero");
  return value;
}

void read_encryption(const base::ConfigFile& file, Config& config) {
  const base::ConfigFile keys = file.section("encryption_keys");
  for (const auto& [label, passphrase] : keys.values()) {
    if (label.empty() || label.size() > 127) file.fail("encryption_keys", "labels of 1 to 127 bytes");
    if (!passphrase.is_string()) file.fail("encryption_keys", "an object of passphrases by label");
    config.encryption_keys[std::string(label)] = std::string(passphrase.get_string());
  }
  config.active_key_label = file.required_text("active_key_label");
  if (!config.encryption_keys.contains(config.active_key_label)) {
    file.fail("active_key_label", "a label among encryption_keys");
  }
}

void read_database_check(const base::ConfigFile& file, Config& config) {
  auto& check = config.database_check;
  check.is_enabled = file.flag("enable_db_health_check");
  check.timeout = positive(file, "health_check_timeout", seconds(5));
  check.interval = positive(file, "health_check_interval", seconds(10));
  const std::int64_t threshold = file.integer("health_check_failure_threshold", 3);
  if (threshold < 1 || threshold > 1000) file.fail("health_check_failure_threshold", "a number from 1 to 1000");
  check.failure_threshold = static_cast<int>(threshold);
}

void read_clients(const base::ConfigFile& file, Config& config) {
  config.locket = clients::read_locket_client_options(file);
  config.auctioneer.url = file.required_text("auctioneer_address");
  config.auctioneer.tls = {file.text("auctioneer_client_cert"), file.text("auctioneer_client_key"),
                           file.text("auctioneer_ca_cert")};
  config.auctioneer.require_tls = file.flag("auctioneer_require_tls");
  config.auctioneer.request_timeout = config.communication_timeout;
  config.rep.tls = {file.text("rep_client_cert"), file.text("rep_client_key"), file.text("rep_ca_cert")};
  config.rep.require_tls = file.flag("rep_require_tls");
  config.rep.request_timeout = config.communication_timeout;
}

void read_telemetry(const base::ConfigFile& file, Config& config) {
  config.log = base::read_log_settings(file);
  config.session_name = file.text("session_name");
  if (config.session_name.empty()) config.session_name = "bbs";
  config.access_log_path = file.text("access_log_path");
  config.loggregator = clients::read_loggregator_options(file);
  config.report_interval = positive(file, "report_interval", std::chrono::minutes(1));
  const base::ConfigFile advanced = file.section("advanced_metrics");
  const base::ConfigFile routes = advanced.section("route_config");
  if (advanced.flag("enabled")) {
    config.advanced_metrics = {routes.texts("request_count"), routes.texts("request_latency")};
  }
}

// Keys that upstream's job renders and that have no effect here. A value of the wrong type is an error all the same.
void check_unused(const base::ConfigFile& file) {
  file.text("advertise_url");
  file.flag("require_ssl");
  file.flag("debug_lrp_start_heartbeats");
  positive(file, "desired_lrp_creation_timeout", std::chrono::minutes(1));
  workers(file, "convergence_workers", 20);
  if (file.integer("rep_client_session_cache_size") < 0) {
    file.fail("rep_client_session_cache_size", "a number of sessions, 0 for the library's choice");
  }
}

}  // namespace

Config load_config(const std::string& path) {
  const auto file = base::ConfigFile::load(path);
  Config config;
  config.uuid = file.required_text("uuid");
  config.listen_address = file.text("listen_address", "0.0.0.0:8889");
  config.health_address = file.required_text("health_address");
  config.debug_address = file.text("debug_address");
  config.tls = {file.required_text("cert_file"), file.required_text("key_file"), file.required_text("ca_file")};
  config.database = sql::read_database_config(file);
  read_database_check(file, config);
  config.reconcile_before_calls = file.flag("reconcile_with_database_before_calls");
  config.communication_timeout = positive(file, "communication_timeout", seconds(10));
  read_encryption(file, config);
  read_clients(file, config);
  config.lock_ttl = std::chrono::floor<seconds>(positive(file, "lock_ttl", seconds(15)));
  if (config.lock_ttl < seconds(1)) file.fail("lock_ttl", "a duration of at least 1s");
  config.lock_retry_interval = positive(file, "lock_retry_interval", seconds(5));
  config.convergence.interval = positive(file, "converge_repeat_interval", seconds(30));
  config.convergence.tasks.kick = positive(file, "kick_task_duration", seconds(30));
  config.convergence.tasks.expire_pending = positive(file, "expire_pending_task_duration", seconds(1800));
  config.convergence.tasks.expire_completed = positive(file, "expire_completed_task_duration", seconds(120));
  config.update_workers = workers(file, "update_workers", 1000);
  config.task_callback_workers = workers(file, "task_callback_workers", 1000);
  const std::int64_t retries = file.integer("max_task_retries", 3);
  if (retries < 0 || retries > 1'000'000) file.fail("max_task_retries", "a number from 0 to 1000000");
  config.max_task_retries = static_cast<std::int32_t>(retries);
  read_telemetry(file, config);
  check_unused(file);
  return config;
}

}  // namespace rivera::bbs
