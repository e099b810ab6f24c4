// The table of the rep's keys: the rep's part and the executor's, which share one flat object.
#include "clients/loggregator_client.h"
#include "rep/settings/config.h"

namespace rivera::rep {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr char kPooled[] = "clients keep their connections and TLS sessions by themselves";
constexpr char kOldTls[] = "upstream does not use it either; ca_cert_file, cert_file and key_file count";

// A head may take 5s, as upstream.
net::ClientLimits default_client_limits() {
  net::ClientLimits limits;
  limits.head = seconds(5);
  return limits;
}

base::ConfigKeys rep_keys() {
  using namespace base;
  return {
      text_key("cell_id"),
      integer_key("cell_index"),
      text_key("zone"),
      text_key("session_name", "rep").with_zero_as_default(),
      text_key("advertise_domain", "cell.service.cf.internal").with_zero_as_default(),
      flag_key("advertise_preference_for_instance_address"),
      texts_key("placement_tags"),
      texts_key("optional_placement_tags"),
      texts_key("supported_providers"),
      texts_key("preloaded_root_fs"),
      text_key("extra_root_fs_dir").not_built("only preloaded root file systems are offered"),
      text_key("sidecar_root_fs"),
      text_key("sidecar_root_fs_path"),
      text_key("layering_mode", "single-layer").one_of({"single-layer", "two-layer"}).with_zero_as_default(),
      text_key("listen_addr", "127.0.0.1:1800").with_zero_as_default(),
      text_key("listen_addr_securable", "0.0.0.0:1801").with_zero_as_default(),
      text_key("debug_address"),
      text_key("ca_cert_file"),
      text_key("cert_file"),
      text_key("key_file"),
      net::authorization_key(),
      net::client_limits_key(default_client_limits()),
      text_key("bbs_address"),
      text_key("bbs_ca_cert_file").unused(kOldTls),
      text_key("bbs_client_cert_file").unused(kOldTls),
      text_key("bbs_client_key_file").unused(kOldTls),
      text_key("server_cert_file").unused(kOldTls),
      text_key("server_key_file").unused(kOldTls),
      integer_key("bbs_client_session_cache_size").unused(kPooled),
      integer_key("bbs_max_idle_conns_per_host").unused(kPooled),
      duration_key("communication_timeout", seconds(10)).positive(),
      duration_key("lock_ttl", seconds(15)).at_least(seconds(1)),
      duration_key("lock_retry_interval", seconds(5)).unused("it is always 5s, as upstream"),
      duration_key("polling_interval", seconds(30)).positive(),
      duration_key("evacuation_polling_interval", seconds(10)).positive(),
      duration_key("evacuation_timeout", minutes(10)).positive(),
      duration_key("report_interval", minutes(1)).not_built("the rep sends no request metrics"),
  };
}

base::ConfigKeys container_keys() {
  using namespace base;
  return {
      text_key("container_owner_name", "executor").with_zero_as_default(),
      integer_key("container_inode_limit", 200'000).not_negative(),
      integer_key("container_max_cpu_shares", 1024).positive(),
      flag_key("set_cpu_weight"),
      flag_key("enable_unproxied_port_mappings", true),
      duration_key("graceful_shutdown_interval", seconds(10)).not_negative(),
      duration_key("healthy_monitoring_interval", seconds(30)).positive(),
      duration_key("unhealthy_monitoring_interval", seconds(2)).positive(),
      text_key("declarative_healthcheck_path"),
      duration_key("declarative_healthcheck_default_timeout", seconds(1)).positive(),
      flag_key("enable_declarative_healthcheck").unused("declarative health checks are always run"),
      flag_key("enable_healthcheck_metrics").not_built("health checks send no metrics"),
      text_key("post_setup_hook"),
      text_key("post_setup_user"),
      integer_key("max_log_lines_per_second").not_negative(),
      duration_key("log_rate_limit_exceeded_report_interval").unused("upstream does not use it either"),
      text_key("trusted_system_certificates_path"),
      text_key("volume_mounted_files"),
      text_key("volman_driver_paths", "/var/vcap/data/voldrivers").not_built("there are no volume drivers"),
      flag_key("export_network_env_vars").unused("upstream does not use it either"),
      flag_key("use_node_port_for_pod_service").unused("upstream does not use it either"),
      duration_key("container_metrics_report_interval", seconds(15)).positive(),
      duration_key("container_reap_interval", minutes(1)).positive(),
      duration_key("reserved_expiration_time", minutes(1)).positive(),
      integer_key("create_work_pool_size", 32).positive(),
      integer_key("delete_work_pool_size", 32).positive(),
      integer_key("healthcheck_work_pool_size", 64).positive(),
      integer_key("read_work_pool_size", 64).positive().unused("reads of Garden are not limited"),
      integer_key("metrics_work_pool_size", 8).positive().unused("metrics are read for all containers in one call"),
      text_key("instance_identity_ca_path"),
      text_key("instance_identity_private_key_path"),
      text_key("instance_identity_cred_dir"),
      duration_key("instance_identity_validity_period", hours(24)).at_least(seconds(1)),
  };
}

base::ConfigKeys proxy_keys() {
  using namespace base;
  return {
      flag_key("enable_container_proxy"),
      integer_key("proxy_memory_allocation_mb", 32).not_negative(),
      flag_key("enable_container_proxy_healthcheck"),
      texts_key("container_proxy_ads_addresses"),
      text_key("container_proxy_config_path"),
      text_key("container_proxy_path"),
      flag_key("container_proxy_require_and_verify_client_certs"),
      texts_key("container_proxy_trusted_ca_certs"),
      texts_key("container_proxy_verify_subject_alt_name"),
      flag_key("proxy_enable_http2", true),
      duration_key("proxy_healthcheck_interval", seconds(30)).positive(),
      duration_key("envoy_config_refresh_delay").unused("upstream does not use it either"),
      duration_key("envoy_config_reload_duration", seconds(5)).not_negative(),
      duration_key("envoy_drain_timeout", minutes(15)).not_negative(),
  };
}

base::ConfigKeys garden_keys() {
  using namespace base;
  return {
      text_key("garden_network", "unix").one_of({"unix", "tcp"}).with_zero_as_default(),
      text_key("garden_addr", "/var/vcap/data/garden/garden.sock").with_zero_as_default(),
      text_key("healthcheck_container_owner_name", "executor-health-check").with_zero_as_default(),
      text_key("garden_healthcheck_process_path", "/bin/sh"),
      texts_key("garden_healthcheck_process_args", {"-c", "ls > /tmp/test"}),
      text_key("garden_healthcheck_process_user", "vcap"),
      texts_key("garden_healthcheck_process_env"),
      text_key("garden_healthcheck_process_dir"),
      duration_key("garden_healthcheck_interval", minutes(10)).positive(),
      duration_key("garden_healthcheck_timeout", minutes(10)).positive(),
      duration_key("garden_healthcheck_command_retry_pause", seconds(1)).not_negative(),
      duration_key("garden_healthcheck_emission_interval", seconds(30)).not_built("Garden's health is no metric here"),
  };
}

base::ConfigKeys capacity_keys() {
  using namespace base;
  const std::string temporary = std::filesystem::temp_directory_path().string();
  return {
      text_or_number_key("memory_mb", "auto").with_zero_as_default(),
      text_or_number_key("disk_mb", "auto").with_zero_as_default(),
      integer_key("auto_disk_capacity_overhead_mb").not_negative(),
      flag_key("use_schedulable_disk_size"),
      integer_key("max_cache_size_in_bytes", 10'000'000'000).not_negative(),
      integer_key("max_concurrent_downloads", 5).positive(),
      text_key("cache_path"),
      text_key("temp_dir", temporary).with_zero_as_default(),
      text_key("path_to_tls_ca_cert"),
      text_key("path_to_ca_certs_for_downloads"),
      text_key("path_to_tls_cert"),
      text_key("path_to_tls_key"),
      flag_key("skip_cert_verify"),
      // Ours.
      text_key("state_dir"),
      text_key("app_log_dir"),
      flag_key("readopt_containers", true),
  };
}

}  // namespace

const base::ConfigKeys& config_keys() {
  static const base::ConfigKeys keys = base::joined_keys(
      {rep_keys(), container_keys(), proxy_keys(), garden_keys(), capacity_keys(), clients::locket_client_keys(),
       base::log_keys(),
       clients::loggregator_keys_without_effect("the rep sends neither logs nor metrics to Loggregator")});
  return keys;
}

}  // namespace rivera::rep
