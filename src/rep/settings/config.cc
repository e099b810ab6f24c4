#include "rep/settings/config.h"

#include <algorithm>

#include "rep/settings/shell_words.h"

namespace rivera::rep {
namespace {

using base::ConfigFile;
using std::chrono::milliseconds;
using std::chrono::seconds;

void read_identity(const ConfigFile& file, Config& config) {
  config.cell_id = file.required_text("cell_id");
  config.cell_index = file.integer("cell_index");
  config.zone = file.text("zone");
  config.session_name = file.text("session_name");
  config.advertise_domain = file.text("advertise_domain");
  config.advertise_preference_for_instance_address = file.flag("advertise_preference_for_instance_address");
  config.placement_tags = file.texts("placement_tags");
  config.optional_placement_tags = file.texts("optional_placement_tags");
  config.supported_providers = file.texts("supported_providers");
  try {
    config.stacks = models::parse_stack_paths(file.texts("preloaded_root_fs"));
  } catch (const std::invalid_argument& e) {
    file.fail("preloaded_root_fs", std::string("entries NAME:PATH (") + e.what() + ")");
  }
  config.layering_mode =
      file.text("layering_mode") == "two-layer" ? LayeringMode::kTwoLayer : LayeringMode::kSingleLayer;
}

void read_peers(const ConfigFile& file, Config& config) {
  config.listen_addr = file.text("listen_addr");
  config.listen_addr_securable = file.text("listen_addr_securable");
  config.debug_address = file.text("debug_address");
  config.tls = {.certificate_file = file.required_text("cert_file"),
                .key_file = file.required_text("key_file"),
                .ca_file = file.required_text("ca_cert_file")};
  config.authorization = net::read_authorization(file);
  config.client_limits = net::read_client_limits(file);
  config.bbs_address = file.required_text("bbs_address");
  config.communication_timeout = file.duration("communication_timeout");
  config.locket = clients::read_locket_client_options(file);
  config.lock_ttl = std::chrono::duration_cast<seconds>(file.duration("lock_ttl"));

  config.garden_address = (file.text("garden_network") == "unix" ? "unix:" : "http://") + file.text("garden_addr");
}

void read_reconciliation(const ConfigFile& file, Config& config) {
  config.polling_interval = file.duration("polling_interval");
  config.evacuation_polling_interval = file.duration("evacuation_polling_interval");
  config.evacuation_timeout = file.duration("evacuation_timeout");
}

executor::NodeOptions node_options(const ConfigFile& file, const Config& config) {
  executor::NodeOptions node;
  node.cell_id = config.cell_id;
  node.spec.owner = file.text("container_owner_name");
  node.spec.inode_limit = file.count<std::uint64_t>("container_inode_limit");
  node.spec.max_cpu_shares = file.count<std::size_t>("container_max_cpu_shares");
  node.spec.set_cpu_weight = file.flag("set_cpu_weight");
  node.spec.unproxied_port_mappings = file.flag("enable_unproxied_port_mappings");

  auto& steps = node.steps;
  steps.graceful_shutdown_interval = file.duration("graceful_shutdown_interval");
  steps.healthy_interval = file.duration("healthy_monitoring_interval");
  steps.unhealthy_interval = file.duration("unhealthy_monitoring_interval");
  steps.check_default_timeout =
      std::chrono::duration_cast<milliseconds>(file.duration("declarative_healthcheck_default_timeout"));
  try {
    steps.post_setup_hook = shell_words(file.text("post_setup_hook"));
  } catch (const std::invalid_argument& e) {
    file.fail("post_setup_hook", std::string("a command line (") + e.what() + ")");
  }
  steps.post_setup_user = file.text("post_setup_user");
  if (!steps.post_setup_hook.empty() && steps.post_setup_user.empty()) {
    file.fail("post_setup_user", "a user, for there is a post_setup_hook");
  }
  // The health check is statically linked and needs no root filesystem, so that one is used only if configured.
  steps.sidecar_rootfs = file.text("sidecar_root_fs_path");
  if (const auto name = file.text("sidecar_root_fs"); steps.sidecar_rootfs.empty() && !name.empty()) {
    const auto found = config.stacks.find(name);
    if (found == config.stacks.end()) file.fail("sidecar_root_fs", "the name of a preloaded root filesystem");
    steps.sidecar_rootfs = found->second;
  }
  node.max_log_lines_per_second = file.integer("max_log_lines_per_second");
  node.healthcheck_path = file.text("declarative_healthcheck_path");
  node.trusted_system_certificates_path = file.text("trusted_system_certificates_path");
  node.volume_mounted_files_path = file.text("volume_mounted_files");
  return node;
}

executor::IdentityOptions identity_options(const ConfigFile& file) {
  executor::IdentityOptions identity;
  identity.directory = file.text("instance_identity_cred_dir");
  identity.ca_file = file.text("instance_identity_ca_path");
  identity.key_file = file.text("instance_identity_private_key_path");
  identity.validity = file.duration("instance_identity_validity_period");
  if (identity.is_enabled() && identity.ca_file.empty()) file.fail("instance_identity_ca_path", "the CA of instances");
  if (identity.is_enabled() && identity.key_file.empty()) {
    file.fail("instance_identity_private_key_path", "the key of the CA of instances");
  }
  return identity;
}

executor::ProxyOptions proxy_options(const ConfigFile& file, const Config& config,
                                     const std::filesystem::path& temporary) {
  const auto directory_or = [&](const char* key, const char* below_temporary) {
    const std::filesystem::path given = file.text(key);
    return given.empty() ? temporary / below_temporary : given;
  };
  executor::ProxyOptions proxy;
  proxy.enabled = file.flag("enable_container_proxy");
  proxy.program_directory = directory_or("container_proxy_path", "container_proxy").string();
  proxy.is_envoy = std::filesystem::exists(std::filesystem::path(proxy.program_directory) / "envoy");
  proxy.config_directory = directory_or("container_proxy_config_path", "proxy_config");
  proxy.requires_client_certificates = file.flag("container_proxy_require_and_verify_client_certs");
  proxy.trusted_ca_certificates = file.texts("container_proxy_trusted_ca_certs");
  proxy.client_names = file.texts("container_proxy_verify_subject_alt_name");
  proxy.ads_addresses = file.texts("container_proxy_ads_addresses");
  proxy.http2 = file.flag("proxy_enable_http2");
  proxy.memory_mb = file.integer("proxy_memory_allocation_mb");
  proxy.reload_duration = file.duration("envoy_config_reload_duration");
  proxy.drain_timeout = file.duration("envoy_drain_timeout");
  proxy.checks_liveness = file.flag("enable_container_proxy_healthcheck");
  proxy.liveness_interval = file.duration("proxy_healthcheck_interval");
  // Envoy is started by a shell, which a container's own file system may lack.
  proxy.rootfs = config.executor.node.steps.sidecar_rootfs;
  if (proxy.is_envoy && proxy.rootfs.empty() && !config.stacks.empty()) proxy.rootfs = config.stacks.begin()->second;
  return proxy;
}

void read_executor(const ConfigFile& file, Config& config) {
  auto& out = config.executor;
  out.node = node_options(file, config);
  const auto cache_size = file.count<std::uint64_t>("max_cache_size_in_bytes");
  out.capacity = {.memory_mb = file.text("memory_mb"),
                  .disk_mb = file.text("disk_mb"),
                  .max_cache_size_in_bytes = cache_size,
                  .auto_disk_capacity_overhead_mb = file.integer("auto_disk_capacity_overhead_mb"),
                  .use_schedulable_disk_size = file.flag("use_schedulable_disk_size")};
  const std::filesystem::path temporary = file.text("temp_dir");
  const auto path_or = [&](const char* key, const char* below_temporary) {
    const std::filesystem::path given = file.text(key);
    return given.empty() ? temporary / below_temporary : given;
  };
  out.identity = identity_options(file);
  out.node.proxy = proxy_options(file, config, temporary);
  out.node.spec.container_proxy = out.node.proxy.enabled;
  out.work_directory = temporary / "executor-work";
  out.state_directory = path_or("state_dir", "executor-state");
  out.cache.cache_path = path_or("cache_path", "download_cache");
  out.cache.max_cache_bytes = cache_size;
  out.asset_tls = {.ca_file = file.text("path_to_tls_ca_cert"),
                   .downloads_ca_file = file.text("path_to_ca_certs_for_downloads"),
                   .certificate_file = file.text("path_to_tls_cert"),
                   .key_file = file.text("path_to_tls_key"),
                   .skip_verification = file.flag("skip_cert_verify")};
  out.readopt_containers = file.flag("readopt_containers");
  out.create_slots = file.count<std::size_t>("create_work_pool_size");
  out.delete_slots = file.count<std::size_t>("delete_work_pool_size");
  out.healthcheck_slots = file.count<std::size_t>("healthcheck_work_pool_size");
  out.download_slots = file.count<std::size_t>("max_concurrent_downloads");
  out.reserved_expiration = file.duration("reserved_expiration_time");
  out.reap_interval = file.duration("container_reap_interval");
  out.stacks = {config.stacks.begin(), config.stacks.end()};

  config.container_metrics_interval = file.duration("container_metrics_report_interval");
  const auto& proxy = out.node.proxy;
  const auto reload = proxy.enabled ? proxy.reload_duration : std::chrono::nanoseconds(0);
  config.cleanup_timeout = out.node.steps.graceful_shutdown_interval + reload + seconds(5);
  config.app_log_directory = file.text("app_log_dir");
}

void read_garden_health(const ConfigFile& file, Config& config) {
  auto& out = config.garden_health;
  out.owner = file.text("healthcheck_container_owner_name");
  // The sidecar's root filesystem, or the first of those that are there.
  out.rootfs = config.executor.node.steps.sidecar_rootfs;
  if (out.rootfs.empty() && !config.stacks.empty()) out.rootfs = config.stacks.begin()->second;
  out.process_path = file.text("garden_healthcheck_process_path");
  out.process_args = file.texts("garden_healthcheck_process_args");
  out.process_user = file.text("garden_healthcheck_process_user");
  out.process_env = file.texts("garden_healthcheck_process_env");
  out.process_dir = file.text("garden_healthcheck_process_dir");
  out.interval = file.duration("garden_healthcheck_interval");
  out.timeout = file.duration("garden_healthcheck_timeout");
  out.retry_pause = file.duration("garden_healthcheck_command_retry_pause");
  if (out.process_path.empty()) file.fail("garden_healthcheck_process_path", "a program");
  if (out.process_user.empty()) file.fail("garden_healthcheck_process_user", "a user");
}

}  // namespace

Config load_config(const std::string& path, const std::string& zone) {
  const auto file = ConfigFile::load(path, config_keys());
  Config config;
  read_identity(file, config);
  if (!zone.empty()) config.zone = zone;
  read_peers(file, config);
  read_reconciliation(file, config);
  read_executor(file, config);
  read_garden_health(file, config);
  config.log = base::read_log_settings(file);
  config.notices = file.notices();
  return config;
}

std::string rep_url(const Config& config) {
  auto host = config.cell_id;
  std::replace(host.begin(), host.end(), '_', '-');
  const auto& listen = config.listen_addr_securable;
  return "https://" + host + "." + config.advertise_domain + listen.substr(std::min(listen.size(), listen.rfind(':')));
}

std::int64_t proxy_memory_mb(const Config& config) {
  const auto& proxy = config.executor.node.proxy;
  return proxy.enabled ? proxy.memory_mb : 0;
}

}  // namespace rivera::rep
