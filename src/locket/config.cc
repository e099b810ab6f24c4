#include "locket/config.h"

#include "base/config/config.h"

namespace rivera::locket {
namespace {

// A duration; the default if the key is zero or absent.
std::chrono::nanoseconds read_duration(const base::ConfigFile& file, std::string_view key,
                                       std::chrono::nanoseconds fallback) {
  const auto value = file.duration(key, std::chrono::nanoseconds(0));
  if (value.count() < 0) file.fail(key, "a duration above zero");
  return value.count() == 0 ? fallback : value;
}

void read_health_check(const base::ConfigFile& file, Config& config) {
  config.enable_db_health_check = file.flag("enable_db_health_check");
  config.health_check_interval = read_duration(file, "health_check_interval", config.health_check_interval);
  config.health_check_timeout = read_duration(file, "health_check_timeout", config.health_check_timeout);
  const auto threshold = file.integer("health_check_failure_threshold", 0);
  if (threshold < 0 || threshold > 1000) file.fail("health_check_failure_threshold", "a number from 0 to 1000");
  if (threshold > 0) config.health_check_failure_threshold = static_cast<int>(threshold);
}

}  // namespace

Config load_config(const std::string& path) {
  const auto file = base::ConfigFile::load(path);
  Config config;
  config.listen_address = file.required_text("listen_address");
  config.tls.ca_file = file.required_text("ca_file");
  config.tls.certificate_file = file.required_text("cert_file");
  config.tls.key_file = file.required_text("key_file");
  config.database = sql::read_database_config(file);
  config.debug_address = file.text("debug_address");
  config.report_interval = read_duration(file, "report_interval", config.report_interval);
  config.log = base::read_log_settings(file);
  config.loggregator = clients::read_loggregator_options(file);
  read_health_check(file, config);
  return config;
}

}  // namespace rivera::locket
