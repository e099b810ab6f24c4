#include "bbs/program/config.h"

namespace rivera::bbs {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::int64_t kMostWorkers = 100'000;
constexpr std::size_t kLongestLabel = 127;  // bytes

base::ConfigKeys own_keys() {
  using namespace base;
  return {
      text_key("uuid"),
      text_key("listen_address", "0.0.0.0:8889").with_zero_as_default(),
      text_key("health_address"),
      text_key("debug_address"),
      text_key("ca_file"),
      text_key("cert_file"),
      text_key("key_file"),
      net::authorization_key(),
      net::client_limits_key(),
      text_key("advertise_url").unused("the BBS registers nothing but its lock"),
      flag_key("require_ssl", true).unused("the API is always served over mutual TLS"),
      duration_key("communication_timeout", seconds(10)).positive(),
      text_map_key("encryption_keys"),
      text_key("active_key_label"),
      text_key("auctioneer_address"),
      text_key("auctioneer_ca_cert"),
      text_key("auctioneer_client_cert"),
      text_key("auctioneer_client_key"),
      flag_key("auctioneer_require_tls"),
      text_key("rep_ca_cert"),
      text_key("rep_client_cert"),
      text_key("rep_client_key"),
      flag_key("rep_require_tls"),
      integer_key("rep_client_session_cache_size").not_negative().unused("sessions are kept as long as a client"),
      flag_key("locks_locket_enabled", true).unused("Locket is always used"),
      flag_key("cell_registrations_locket_enabled", true).unused("Locket is always used"),
      flag_key("reconcile_with_database_before_calls"),
  };
}

base::ConfigKeys work_keys() {
  using namespace base;
  return {
      duration_key("lock_ttl", seconds(15)).at_least(seconds(1)),
      duration_key("lock_retry_interval", seconds(5)).positive(),
      duration_key("converge_repeat_interval", seconds(30)).positive(),
      duration_key("kick_task_duration", seconds(30)).positive(),
      duration_key("expire_pending_task_duration", minutes(30)).positive(),
      duration_key("expire_completed_task_duration", minutes(2)).positive(),
      integer_key("convergence_workers", 20).between(1, kMostWorkers).unused("convergence is one pass over memory"),
      integer_key("update_workers", 1000).between(1, kMostWorkers),
      integer_key("task_callback_workers", 1000).between(1, kMostWorkers),
      integer_key("max_task_retries", 3).between(0, 1'000'000),
      duration_key("desired_lrp_creation_timeout", minutes(1)).positive().unused("upstream does not use it either"),
      flag_key("enable_db_health_check"),
      duration_key("health_check_timeout", seconds(5)).positive(),
      duration_key("health_check_interval", seconds(10)).positive(),
      integer_key("health_check_failure_threshold", 3).between(1, 1000),
  };
}

base::ConfigKeys telemetry_keys() {
  using namespace base;
  return {
      text_key("session_name", "bbs").with_zero_as_default(),
      text_key("access_log_path"),
      duration_key("report_interval", minutes(1)).positive(),
      flag_key("debug_lrp_start_heartbeats").unused("a start that changes nothing is not logged"),
      section_key("advanced_metrics",
                  {flag_key("enabled"),
                   section_key("route_config", {texts_key("request_count"), texts_key("request_latency")})}),
  };
}

void read_encryption(const base::ConfigFile& file, Config& config) {
  config.encryption_keys = file.text_map("encryption_keys");
  for (const auto& [label, passphrase] : config.encryption_keys) {
    if (label.empty() || label.size() > kLongestLabel) file.fail("encryption_keys", "labels of 1 to 127 bytes");
  }
  config.active_key_label = file.required_text("active_key_label");
  if (!config.encryption_keys.contains(config.active_key_label)) {
    file.fail("active_key_label", "a label among encryption_keys");
  }
}

void read_database_check(const base::ConfigFile& file, Config& config) {
  auto& check = config.database_check;
  check.is_enabled = file.flag("enable_db_health_check");
  check.timeout = file.duration("health_check_timeout");
  check.interval = file.duration("health_check_interval");
  check.failure_threshold = file.count<int>("health_check_failure_threshold");
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

void read_work(const base::ConfigFile& file, Config& config) {
  config.lock_ttl = std::chrono::floor<seconds>(file.duration("lock_ttl"));
  config.lock_retry_interval = file.duration("lock_retry_interval");
  config.convergence.interval = file.duration("converge_repeat_interval");
  config.convergence.tasks.kick = file.duration("kick_task_duration");
  config.convergence.tasks.expire_pending = file.duration("expire_pending_task_duration");
  config.convergence.tasks.expire_completed = file.duration("expire_completed_task_duration");
  config.update_workers = file.count<std::size_t>("update_workers");
  config.task_callback_workers = file.count<std::size_t>("task_callback_workers");
  config.max_task_retries = file.count<std::int32_t>("max_task_retries");
}

void read_telemetry(const base::ConfigFile& file, Config& config) {
  config.log = base::read_log_settings(file);
  config.session_name = file.text("session_name");
  config.access_log_path = file.text("access_log_path");
  config.loggregator = clients::read_loggregator_options(file);
  config.report_interval = file.duration("report_interval");
  const base::ConfigFile advanced = file.section("advanced_metrics");
  const base::ConfigFile routes = advanced.section("route_config");
  if (advanced.flag("enabled")) {
    config.advanced_metrics = {routes.texts("request_count"), routes.texts("request_latency")};
  }
}

}  // namespace

const base::ConfigKeys& config_keys() {
  static const base::ConfigKeys keys =
      base::joined_keys({own_keys(), work_keys(), telemetry_keys(), sql::database_keys(), clients::locket_client_keys(),
                         clients::loggregator_keys(), base::log_keys()});
  return keys;
}

Config load_config(const std::string& path) {
  const auto file = base::ConfigFile::load(path, config_keys());
  Config config;
  config.uuid = file.required_text("uuid");
  config.listen_address = file.text("listen_address");
  config.health_address = file.required_text("health_address");
  config.debug_address = file.text("debug_address");
  config.tls = {file.required_text("cert_file"), file.required_text("key_file"), file.required_text("ca_file")};
  config.authorization = net::read_authorization(file);
  config.client_limits = net::read_client_limits(file);
  config.database = sql::read_database_config(file);
  read_database_check(file, config);
  config.reconcile_before_calls = file.flag("reconcile_with_database_before_calls");
  config.communication_timeout = file.duration("communication_timeout");
  read_encryption(file, config);
  read_clients(file, config);
  read_work(file, config);
  read_telemetry(file, config);
  config.notices = file.notices();
  return config;
}

}  // namespace rivera::bbs
