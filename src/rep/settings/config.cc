#include "rep/settings/config.h"

#include <algorithm>
#include <sstream>

namespace rivera::rep {
namespace {

using base::ConfigFile;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

std::chrono::nanoseconds positive_duration(const ConfigFile& file, std::string_view key,
                                           std::chrono::nanoseconds fallback) {
  const auto value = file.duration(key, fallback);
  if (value.count() <= 0) file.fail(key, "a duration above zero");
  return value;
}

std::size_t positive_count(const ConfigFile& file, std::string_view key, std::int64_t fallback) {
  const auto value = file.integer(key, fallback);
  if (value <= 0) file.fail(key, "a number above zero");
  return static_cast<std::size_t>(value);
}

// Accepts a number in place of a string that holds a number.
std::string limit_text(const ConfigFile& file, std::string_view key) {
  const auto* value = file.values().if_contains(key);
  if (value && value->is_number()) return std::to_string(file.integer(key));
  return file.text(key, "auto");
}

std::vector<std::string> split_words(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream in(text);
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

void read_identity(const ConfigFile& file, Config& config) {
  config.cell_id = file.required_text("cell_id");
  config.cell_index = file.integer("cell_index");
  config.zone = file.text("zone");
  config.session_name = file.text("session_name", "rep");
  config.advertise_domain = file.text("advertise_domain", "cell.service.cf.internal");
  config.advertise_preference_for_instance_address = file.flag("advertise_preference_for_instance_address");
  config.placement_tags = file.texts("placement_tags");
  config.optional_placement_tags = file.texts("optional_placement_tags");
  config.supported_providers = file.texts("supported_providers");
  try {
    config.stacks = models::parse_stack_paths(file.texts("preloaded_root_fs"));
  } catch (const std::invalid_argument& e) {
    file.fail("preloaded_root_fs", std::string("entries NAME:PATH (") + e.what() + ")");
  }
  const auto mode = file.text("layering_mode", "single-layer");
  if (mode != "single-layer" && mode != "two-layer") file.fail("layering_mode", "\"single-layer\" or \"two-layer\"");
  config.layering_mode = mode == "two-layer" ? LayeringMode::kTwoLayer : LayeringMode::kSingleLayer;
}

void read_peers(const ConfigFile& file, Config& config) {
  config.listen_addr = file.text("listen_addr", "127.0.0.1:1800");
  config.listen_addr_securable = file.text("listen_addr_securable", "0.0.0.0:1801");
  config.debug_address = file.text("debug_address");
  config.tls = {.certificate_file = file.required_text("cert_file"),
                .key_file = file.required_text("key_file"),
                .ca_file = file.required_text("ca_cert_file")};
  config.bbs_address = file.required_text("bbs_address");
  config.communication_timeout = positive_duration(file, "communication_timeout", seconds(10));
  config.locket = clients::read_locket_client_options(file);
  config.lock_ttl = std::chrono::duration_cast<seconds>(positive_duration(file, "lock_ttl", seconds(15)));

  const auto network = file.text("garden_network", "unix");
  const auto address = file.text("garden_addr", "/var/vcap/data/garden/garden.sock");
  if (network != "unix" && network != "tcp") file.fail("garden_network", "\"unix\" or \"tcp\"");
  config.garden_address = (network == "unix" ? "unix:" : "http://") + address;
}

void read_reconciliation(const ConfigFile& file, Config& config) {
  config.polling_interval = positive_duration(file, "polling_interval", seconds(30));
  config.evacuation_polling_interval = positive_duration(file, "evacuation_polling_interval", seconds(10));
  config.evacuation_timeout = positive_duration(file, "evacuation_timeout", minutes(10));
}

executor::NodeOptions node_options(const ConfigFile& file, const Config& config) {
  executor::NodeOptions node;
  node.cell_id = config.cell_id;
  node.spec.owner = file.text("container_owner_name", "executor");
  node.spec.inode_limit = static_cast<std::uint64_t>(file.integer("container_inode_limit", 200'000));
  node.spec.max_cpu_shares = positive_count(file, "container_max_cpu_shares", 1024);
  node.spec.set_cpu_weight = file.flag("set_cpu_weight");
  node.spec.unproxied_port_mappings = file.flag("enable_unproxied_port_mappings", true);

  auto& steps = node.steps;
  steps.graceful_shutdown_interval = file.duration("graceful_shutdown_interval", seconds(10));
  steps.healthy_interval = positive_duration(file, "healthy_monitoring_interval", seconds(30));
  steps.unhealthy_interval = positive_duration(file, "unhealthy_monitoring_interval", seconds(2));
  steps.check_default_timeout = std::chrono::duration_cast<milliseconds>(
      positive_duration(file, "declarative_healthcheck_default_timeout", seconds(1)));
  steps.post_setup_hook = split_words(file.text("post_setup_hook"));
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

void read_executor(const ConfigFile& file, Config& config) {
  auto& out = config.executor;
  out.node = node_options(file, config);
  const auto cache_size = file.integer("max_cache_size_in_bytes", 10'000'000'000);
  if (cache_size < 0) file.fail("max_cache_size_in_bytes", "a number of bytes");
  out.capacity = {.memory_mb = limit_text(file, "memory_mb"),
                  .disk_mb = limit_text(file, "disk_mb"),
                  .max_cache_size_in_bytes = static_cast<std::uint64_t>(cache_size),
                  .auto_disk_capacity_overhead_mb = file.integer("auto_disk_capacity_overhead_mb"),
                  .use_schedulable_disk_size = file.flag("use_schedulable_disk_size")};
  const std::filesystem::path temporary = file.text("temp_dir", std::filesystem::temp_directory_path().string());
  out.work_directory = temporary / "executor-work";
  out.state_directory = file.text("state_dir", (temporary / "executor-state").string());
  out.cache.cache_path = file.text("cache_path", (temporary / "download_cache").string());
  out.cache.max_cache_bytes = static_cast<std::uint64_t>(cache_size);
  out.asset_tls = {.ca_file = file.text("path_to_tls_ca_cert"),
                   .downloads_ca_file = file.text("path_to_ca_certs_for_downloads"),
                   .certificate_file = file.text("path_to_tls_cert"),
                   .key_file = file.text("path_to_tls_key"),
                   .skip_verification = file.flag("skip_cert_verify")};
  out.readopt_containers = file.flag("readopt_containers", true);
  out.create_slots = positive_count(file, "create_work_pool_size", 32);
  out.delete_slots = positive_count(file, "delete_work_pool_size", 32);
  out.healthcheck_slots = positive_count(file, "healthcheck_work_pool_size", 64);
  out.download_slots = positive_count(file, "max_concurrent_downloads", 5);
  out.reserved_expiration = positive_duration(file, "reserved_expiration_time", minutes(1));
  out.reap_interval = positive_duration(file, "container_reap_interval", minutes(1));
  out.stacks = {config.stacks.begin(), config.stacks.end()};

  config.enable_container_proxy = file.flag("enable_container_proxy");
  config.proxy_memory_allocation_mb = file.integer("proxy_memory_allocation_mb", 32);
  config.container_metrics_interval = positive_duration(file, "container_metrics_report_interval", seconds(15));
  const auto reload = config.enable_container_proxy ? file.duration("envoy_config_reload_duration", seconds(5))
                                                    : std::chrono::nanoseconds(0);
  config.cleanup_timeout = out.node.steps.graceful_shutdown_interval + reload + seconds(5);
  config.app_log_directory = file.text("app_log_dir");
}

void read_garden_health(const ConfigFile& file, Config& config) {
  auto& out = config.garden_health;
  out.owner = file.text("healthcheck_container_owner_name", "executor-health-check");
  // The root filesystem of sidecars, or the first stack.
  out.rootfs = config.executor.node.steps.sidecar_rootfs;
  if (out.rootfs.empty() && !config.stacks.empty()) out.rootfs = config.stacks.begin()->second;
  out.process_path = file.text("garden_healthcheck_process_path", "/bin/sh");
  if (file.has("garden_healthcheck_process_args")) {
    out.process_args = file.texts("garden_healthcheck_process_args");
  } else {
    out.process_args = {"-c", "ls > /tmp/test"};
  }
  out.process_user = file.text("garden_healthcheck_process_user", "vcap");
  out.process_env = file.texts("garden_healthcheck_process_env");
  out.process_dir = file.text("garden_healthcheck_process_dir");
  out.interval = positive_duration(file, "garden_healthcheck_interval", minutes(10));
  out.timeout = positive_duration(file, "garden_healthcheck_timeout", minutes(10));
  out.retry_pause = file.duration("garden_healthcheck_command_retry_pause", seconds(1));
  if (out.process_path.empty()) file.fail("garden_healthcheck_process_path", "a program");
  if (out.process_user.empty()) file.fail("garden_healthcheck_process_user", "a user");
}

void read_logging(const ConfigFile& file, Config& config) {
  try {
    config.log_level = base::parse_log_level(file.text("log_level", "info"));
  } catch (const std::invalid_argument&) {
    file.fail("log_level", "debug, info, error or fatal");
  }
  const auto format = file.text("time_format", "unix-epoch");
  if (format != "unix-epoch" && format != "rfc3339") file.fail("time_format", "\"unix-epoch\" or \"rfc3339\"");
  config.log_time_format = format == "rfc3339" ? base::LogTimeFormat::kRfc3339 : base::LogTimeFormat::kUnixEpoch;
}

}  // namespace

Config load_config(const std::string& path, const std::string& zone) {
  const auto file = ConfigFile::load(path);
  Config config;
  read_identity(file, config);
  if (!zone.empty()) config.zone = zone;
  read_peers(file, config);
  read_reconciliation(file, config);
  read_executor(file, config);
  read_garden_health(file, config);
  read_logging(file, config);
  return config;
}

std::string rep_url(const Config& config) {
  auto host = config.cell_id;
  std::replace(host.begin(), host.end(), '_', '-');
  const auto& listen = config.listen_addr_securable;
  return "https://" + host + "." + config.advertise_domain + listen.substr(std::min(listen.size(), listen.rfind(':')));
}

std::int64_t proxy_memory_mb(const Config& config) {
  return config.enable_container_proxy ? config.proxy_memory_allocation_mb : 0;
}

}  // namespace rivera::rep
