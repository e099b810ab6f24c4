#include "locket/config.h"

namespace rivera::locket {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

// A handshake is here all from TCP to HTTP/2.
net::ClientLimits default_client_limits() {
  net::ClientLimits limits;
  limits.handshake = seconds(20);
  return limits;
}

base::ConfigKeys own_keys() {
  using namespace base;
  return {
      text_key("listen_address"),
      text_key("ca_file"),
      text_key("cert_file"),
      text_key("key_file"),
      net::authorization_key(),
      net::client_limits_key(default_client_limits()),
      text_key("debug_address"),
      duration_key("report_interval", minutes(1)).positive().with_zero_as_default(),
      flag_key("enable_db_health_check"),
      duration_key("health_check_interval", seconds(10)).positive().with_zero_as_default(),
      duration_key("health_check_timeout", seconds(5)).positive().with_zero_as_default(),
      integer_key("health_check_failure_threshold", 3).between(1, 1000).with_zero_as_default(),
  };
}

}  // namespace

const base::ConfigKeys& config_keys() {
  static const base::ConfigKeys keys =
      base::joined_keys({own_keys(), sql::database_keys(), clients::loggregator_keys(), base::log_keys()});
  return keys;
}

Config load_config(const std::string& path) {
  const auto file = base::ConfigFile::load(path, config_keys());
  Config config;
  config.listen_address = file.required_text("listen_address");
  config.tls.ca_file = file.required_text("ca_file");
  config.tls.certificate_file = file.required_text("cert_file");
  config.tls.key_file = file.required_text("key_file");
  config.authorization = net::read_authorization(file);
  config.client_limits = net::read_client_limits(file);
  config.database = sql::read_database_config(file);
  config.debug_address = file.text("debug_address");
  config.report_interval = file.duration("report_interval");
  config.log = base::read_log_settings(file);
  config.loggregator = clients::read_loggregator_options(file);
  config.enable_db_health_check = file.flag("enable_db_health_check");
  config.health_check_interval = file.duration("health_check_interval");
  config.health_check_timeout = file.duration("health_check_timeout");
  config.health_check_failure_threshold = file.count<int>("health_check_failure_threshold");
  config.notices = file.notices();
  return config;
}

}  // namespace rivera::locket
