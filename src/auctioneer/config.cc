#include "auctioneer/config.h"

#include <algorithm>

namespace rivera::auctioneer {
namespace {

constexpr auto kLongestStateRequest = std::chrono::seconds(60);

base::ConfigKeys own_keys() {
  using namespace base;
  const std::string pooled = "clients keep their connections and TLS sessions by themselves";
  const std::string fixed = "the lock's time to live is 15s and it is renewed each second, as upstream";
  return {
      text_key("uuid"),
      text_key("listen_address"),
      text_key("ca_cert_file"),
      text_key("server_cert_file"),
      text_key("server_key_file"),
      net::authorization_key(),
      net::client_limits_key(),
      text_key("debug_address"),
      text_key("bbs_address"),
      text_key("bbs_ca_cert_file"),
      text_key("bbs_client_cert_file"),
      text_key("bbs_client_key_file"),
      integer_key("bbs_client_session_cache_size").unused(pooled),
      integer_key("bbs_max_idle_conns_per_host").unused(pooled),
      text_key("rep_ca_cert"),
      text_key("rep_client_cert"),
      text_key("rep_client_key"),
      integer_key("rep_client_session_cache_size").unused(pooled),
      flag_key("rep_require_tls").unused("a cell with an https address is always called over TLS"),
      integer_key("auction_runner_workers").between(1, 100'000),
      duration_key("communication_timeout", std::chrono::seconds(10)).positive().with_zero_as_default(),
      duration_key("cell_state_timeout", kLongestStateRequest).positive().with_zero_as_default(),
      duration_key("report_interval", std::chrono::minutes(1)).positive().with_zero_as_default(),
      duration_key("lock_ttl", std::chrono::seconds(15)).unused(fixed),
      duration_key("lock_retry_interval", std::chrono::seconds(5)).unused(fixed),
      flag_key("locks_locket_enabled", true).unused("Locket is always used"),
      number_key("bin_pack_first_fit_weight"),
      number_key("starting_container_weight"),
      integer_key("starting_container_count_maximum"),
      flag_key("reserve_proxy_memory", true),
  };
}

double read_weight(const base::ConfigFile& file, std::string_view key) {
  const double value = file.number(key);
  if (!(value >= 0 && value < 1e9)) file.fail(key, "a weight of zero or more");
  return value;
}

// All three files or none.
net::TlsFiles read_tls(const base::ConfigFile& file, std::string_view certificate_key, std::string_view private_key,
                       std::string_view ca_key) {
  net::TlsFiles files{file.text(certificate_key), file.text(private_key), file.text(ca_key)};
  if (files.empty()) return files;
  const auto require = [&file](std::string_view key, const std::string& value) {
    if (value.empty()) file.fail(key, "a path, as the other TLS files are given (invalid-tls-config)");
  };
  require(certificate_key, files.certificate_file);
  require(private_key, files.key_file);
  require(ca_key, files.ca_file);
  return files;
}

void read_placement(const base::ConfigFile& file, auction::PlacementOptions& options) {
  options.bin_pack_first_fit_weight = read_weight(file, "bin_pack_first_fit_weight");
  options.starting_container_weight = read_weight(file, "starting_container_weight");
  options.starting_container_count_maximum = file.integer("starting_container_count_maximum");
  options.reserve_proxy_memory = file.flag("reserve_proxy_memory");
}

}  // namespace

const base::ConfigKeys& config_keys() {
  static const base::ConfigKeys keys =
      base::joined_keys({own_keys(), clients::locket_client_keys(), clients::loggregator_keys(), base::log_keys()});
  return keys;
}

Config load_config(const std::string& path) {
  const auto file = base::ConfigFile::load(path, config_keys());
  Config config;
  config.uuid = file.text("uuid");
  if (config.uuid.empty()) file.fail("uuid", "a name of this instance (invalid-uuid)");
  config.bbs_address = file.text("bbs_address");
  if (config.bbs_address.empty()) file.fail("bbs_address", "the URL of the BBS (invalid-bbs-address)");
  config.listen_address = file.required_text("listen_address");
  config.server_tls = read_tls(file, "server_cert_file", "server_key_file", "ca_cert_file");
  config.authorization = net::read_authorization(file);
  config.client_limits = net::read_client_limits(file);
  if (config.authorization == net::Authorization::kRoles && config.server_tls.empty()) {
    file.fail("authorization", "any, as clients show no certificates without server_cert_file");
  }
  config.debug_address = file.text("debug_address");
  config.bbs_tls = read_tls(file, "bbs_client_cert_file", "bbs_client_key_file", "bbs_ca_cert_file");
  config.rep_tls = read_tls(file, "rep_client_cert", "rep_client_key", "rep_ca_cert");
  config.locket = clients::read_locket_client_options(file);

  // The default of zero is refused, as upstream refuses it.
  if (file.integer("auction_runner_workers") < 1) file.fail("auction_runner_workers", "a number from 1 to 100000");
  config.workers = file.count<std::size_t>("auction_runner_workers");
  config.communication_timeout = file.duration("communication_timeout");
  config.cell_state_timeout =
      std::min<std::chrono::nanoseconds>(file.duration("cell_state_timeout"), kLongestStateRequest);
  read_placement(file, config.placement);
  config.report_interval = file.duration("report_interval");
  config.log = base::read_log_settings(file);
  config.loggregator = clients::read_loggregator_options(file);
  config.notices = file.notices();
  return config;
}

}  // namespace rivera::auctioneer
