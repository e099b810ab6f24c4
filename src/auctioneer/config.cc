#include "auctioneer/config.h"

#include <algorithm>

#include "base/config/config.h"

namespace rivera::auctioneer {
namespace {

constexpr auto kLongestStateRequest = std::chrono::seconds(60);

std::chrono::nanoseconds read_timeout(const base::ConfigFile& file, std::string_view key,
                                      std::chrono::nanoseconds if_zero) {
  const auto value = file.duration(key, std::chrono::nanoseconds(0));
  if (value.count() < 0) file.fail(key, "a duration of zero or more");
  return value.count() == 0 ? if_zero : value;
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
  options.reserve_proxy_memory = file.flag("reserve_proxy_memory", true);
}

}  // namespace

Config load_config(const std::string& path) {
  const auto file = base::ConfigFile::load(path);
  Config config;
  config.uuid = file.text("uuid");
  if (config.uuid.empty()) file.fail("uuid", "a name of this instance (invalid-uuid)");
  config.bbs_address = file.text("bbs_address");
  if (config.bbs_address.empty()) file.fail("bbs_address", "the URL of the BBS (invalid-bbs-address)");
  config.listen_address = file.required_text("listen_address");
  config.server_tls = read_tls(file, "server_cert_file", "server_key_file", "ca_cert_file");
  config.debug_address = file.text("debug_address");
  config.bbs_tls = read_tls(file, "bbs_client_cert_file", "bbs_client_key_file", "bbs_ca_cert_file");
  config.rep_tls = read_tls(file, "rep_client_cert", "rep_client_key", "rep_ca_cert");
  config.locket = clients::read_locket_client_options(file);

  const auto workers = file.integer("auction_runner_workers", 0);
  if (workers < 1 || workers > 100'000) file.fail("auction_runner_workers", "a number from 1 to 100000");
  config.workers = static_cast<std::size_t>(workers);
  config.communication_timeout = read_timeout(file, "communication_timeout", config.communication_timeout);
  config.cell_state_timeout = std::min<std::chrono::nanoseconds>(
      read_timeout(file, "cell_state_timeout", kLongestStateRequest), kLongestStateRequest);
  read_placement(file, config.placement);
  config.report_interval = read_timeout(file, "report_interval", config.report_interval);
  config.log = base::read_log_settings(file);
  config.loggregator = clients::read_loggregator_options(file);
  return config;
}

}  // namespace rivera::auctioneer
