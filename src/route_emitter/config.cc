#include "route_emitter/config.h"

#include "base/config/config.h"

namespace rivera::route_emitter {
namespace {

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> out;
  std::size_t start = 0;
  while (start <= text.size()) {
    const auto comma = std::min(text.find(',', start), text.size());
    std::string item = text.substr(start, comma - start);
    const auto first = item.find_first_not_of(" \t");
    if (first != std::string::npos) out.push_back(item.substr(first, item.find_last_not_of(" \t") - first + 1));
    start = comma + 1;
  }
  return out;
}

// A duration above zero; the default if the key is zero or absent.
std::chrono::nanoseconds read_duration(const base::ConfigFile& file, std::string_view key,
                                       std::chrono::nanoseconds fallback) {
  const auto value = file.duration(key, std::chrono::nanoseconds(0));
  if (value.count() < 0) file.fail(key, "a duration above zero");
  return value.count() == 0 ? fallback : value;
}

void read_logging(const base::ConfigFile& file, Config& config) {
  const std::string level = file.text("log_level");
  try {
    config.log_level = base::parse_log_level(level.empty() ? "info" : level);
  } catch (const std::invalid_argument&) {
    file.fail("log_level", "debug, info, error or fatal");
  }
  const std::string format = file.text("time_format");
  if (format == "rfc3339") {
    config.log_time_format = base::LogTimeFormat::kRfc3339;
  } else if (!format.empty() && format != "unix-epoch") {
    file.fail("time_format", "unix-epoch or rfc3339");
  }
}

void read_bbs(const base::ConfigFile& file, Config& config) {
  config.bbs.url = file.required_text("bbs_address");
  config.bbs.tls.ca_file = file.text("bbs_ca_cert_file");
  config.bbs.tls.certificate_file = file.text("bbs_client_cert_file");
  config.bbs.tls.key_file = file.text("bbs_client_key_file");
  config.bbs.request_timeout = read_duration(file, "communication_timeout", config.bbs.request_timeout);
}

void read_nats(const base::ConfigFile& file, Config& config) {
  config.nats_addresses = split_list(file.text("nats_addresses"));
  if (config.nats_addresses.empty()) file.fail("nats_addresses", "a list of host:port, separated by commas");
  config.nats_username = file.text("nats_username");
  config.nats_password = file.text("nats_password");
  config.nats_tls_enabled = file.flag("nats_tls_enabled");
  config.nats_tls.ca_file = file.text("nats_ca_cert_file");
  config.nats_tls.certificate_file = file.text("nats_client_cert_file");
  config.nats_tls.key_file = file.text("nats_client_key_file");
}

}  // namespace

Config load_config(const std::string& path) {
  const auto file = base::ConfigFile::load(path);
  Config config;
  if (const auto name = file.text("locket_session_name"); !name.empty()) config.name = name;
  config.cell_id = file.text("cell_id");
  config.uuid = file.text("uuid");
  read_bbs(file, config);
  read_nats(file, config);
  config.register_direct_instance_routes = file.flag("register_direct_instance_routes");
  config.enable_internal_emitter = file.flag("enable_internal_emitter");
  config.healthcheck_address = file.text("healthcheck_address");
  config.debug_address = file.text("debug_address");
  config.jitter_factor = file.number("jitter_factor", config.jitter_factor);
  if (config.jitter_factor < 0 || config.jitter_factor > 1) file.fail("jitter_factor", "a number from 0 to 1");
  config.sync_interval = read_duration(file, "sync_interval", config.sync_interval);
  config.unregistration_interval = read_duration(file, "unregistration_interval", config.unregistration_interval);
  config.unregistration_send_count = static_cast<int>(file.integer("unregistration_send_count", 20));
  if (config.unregistration_send_count < 0) file.fail("unregistration_send_count", "a number from 0 on");
  if (file.integer("route_emitting_workers", 20) <= 0) file.fail("route_emitting_workers", "a number above 0");
  if (file.duration("tcp_route_ttl", std::chrono::minutes(2)) > std::chrono::seconds(65535)) {
    file.fail("tcp_route_ttl", "at most 65535 seconds (invalid-route-ttl)");
  }
  if (!config.is_local()) {
    if (config.uuid.empty()) file.fail("uuid", "the owner of the lock, since there is no cell_id");
    config.locket = clients::read_locket_client_options(file);
  }
  read_logging(file, config);
  return config;
}

}  // namespace rivera::route_emitter
