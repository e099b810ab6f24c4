#include "route_emitter/config.h"

#include "clients/loggregator_client.h"

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

base::ConfigKeys own_keys() {
  using namespace base;
  using std::chrono::seconds;
  const std::string pooled = "the client keeps its connections and TLS sessions by itself";
  const std::string fixed = "the lock's time to live is 15s and it is renewed each second, as upstream";
  const std::string tcp = "TCP routes are not emitted";
  return {
      text_key("cell_id"),
      text_key("uuid"),
      text_key("locket_session_name", "route-emitter").with_zero_as_default(),
      flag_key("locket_enabled", true).unused("the lock is held in global mode and in no other"),
      duration_key("lock_ttl", seconds(15)).unused(fixed),
      duration_key("lock_retry_interval", seconds(5)).unused(fixed),
      text_key("bbs_address"),
      text_key("bbs_ca_cert_file"),
      text_key("bbs_client_cert_file"),
      text_key("bbs_client_key_file"),
      integer_key("bbs_client_session_cache_size").unused(pooled),
      integer_key("bbs_max_idle_conns_per_host").unused(pooled),
      duration_key("communication_timeout", clients::BbsClientOptions().request_timeout)
          .positive()
          .with_zero_as_default(),
      text_key("healthcheck_address"),
      text_key("debug_address"),
      net::client_limits_key(),
      number_key("jitter_factor", 0.2),
      duration_key("sync_interval", seconds(60)).positive().with_zero_as_default(),
      duration_key("unregistration_interval", seconds(30)).positive().with_zero_as_default(),
      integer_key("unregistration_send_count", 20).between(0, 1'000'000),
      integer_key("route_emitting_workers", 20).positive().unused("messages are written to one connection in order"),
      duration_key("report_interval", seconds(60)).unused("upstream does not use it either"),
      flag_key("register_direct_instance_routes"),
      flag_key("enable_internal_emitter"),
      flag_key("enable_tcp_emitter").not_built(tcp),
      flag_key("tcp_enable_tls").not_built(tcp),
      duration_key("tcp_route_ttl", std::chrono::minutes(2)).unused(tcp),
      section_key("oauth",
                  {text_key("uaa_url").unused(tcp), duration_key("uaa_request_timeout", seconds(10)).unused(tcp),
                   text_key("client_name").unused(tcp), text_key("client_secret").unused(tcp),
                   text_key("ca_certs").unused(tcp), flag_key("skip_cert_verify").unused(tcp)}),
      section_key("routing_api", {text_key("url").unused(tcp), port_key("port").unused(tcp),
                                  text_key("ca_cert_file").unused(tcp), text_key("client_cert_file").unused(tcp),
                                  text_key("client_key_file").unused(tcp), flag_key("auth_enabled").unused(tcp)}),
  };
}

base::ConfigKeys nats_keys() {
  using namespace base;
  return {
      text_key("nats_addresses"),       text_key("nats_username"),     text_key("nats_password"),
      flag_key("nats_tls_enabled"),     text_key("nats_ca_cert_file"), text_key("nats_client_cert_file"),
      text_key("nats_client_key_file"),
  };
}

void read_bbs(const base::ConfigFile& file, Config& config) {
  config.bbs.url = file.required_text("bbs_address");
  config.bbs.tls.ca_file = file.text("bbs_ca_cert_file");
  config.bbs.tls.certificate_file = file.text("bbs_client_cert_file");
  config.bbs.tls.key_file = file.text("bbs_client_key_file");
  config.bbs.request_timeout = file.duration("communication_timeout");
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

const base::ConfigKeys& config_keys() {
  static const base::ConfigKeys keys = base::joined_keys(
      {own_keys(), nats_keys(), clients::locket_client_keys(), base::log_keys(),
       clients::loggregator_keys_without_effect("the route emitter sends no metrics to Loggregator")});
  return keys;
}

Config load_config(const std::string& path) {
  const auto file = base::ConfigFile::load(path, config_keys());
  Config config;
  config.name = file.text("locket_session_name");
  config.cell_id = file.text("cell_id");
  config.uuid = file.text("uuid");
  read_bbs(file, config);
  read_nats(file, config);
  config.register_direct_instance_routes = file.flag("register_direct_instance_routes");
  config.enable_internal_emitter = file.flag("enable_internal_emitter");
  config.healthcheck_address = file.text("healthcheck_address");
  config.debug_address = file.text("debug_address");
  config.client_limits = net::read_client_limits(file);
  config.jitter_factor = file.number("jitter_factor");
  if (config.jitter_factor < 0 || config.jitter_factor > 1) file.fail("jitter_factor", "a number from 0 to 1");
  config.sync_interval = file.duration("sync_interval");
  config.unregistration_interval = file.duration("unregistration_interval");
  config.unregistration_send_count = file.count<int>("unregistration_send_count");
  if (file.duration("tcp_route_ttl") > std::chrono::seconds(65535)) {
    file.fail("tcp_route_ttl", "at most 65535 seconds (invalid-route-ttl)");
  }
  if (!config.is_local()) {
    if (config.uuid.empty()) file.fail("uuid", "the owner of the lock, since there is no cell_id");
    config.locket = clients::read_locket_client_options(file);
  }
  config.log = base::read_log_settings(file);
  config.notices = file.notices();
  return config;
}

}  // namespace rivera::route_emitter
