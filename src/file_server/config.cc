#include "file_server/config.h"

#include "base/config/config.h"

namespace rivera::file_server {
namespace {

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

base::ConfigFile load(const std::string& path) {
  try {
    return base::ConfigFile::load(path);
  } catch (const base::ConfigError& e) {
    throw base::ConfigError(std::string("failed-to-parse-config: ") + e.what());
  }
}

}  // namespace

Config load_config(const std::string& path) {
  const auto file = load(path);
  Config config;
  if (const auto address = file.text("server_address"); !address.empty()) config.server_address = address;
  config.static_directory = file.text("static_directory");
  if (config.static_directory.empty()) {
    throw base::ConfigError("static-directory-missing: " + path + ": static_directory: expected a directory");
  }
  config.https_server_enabled = file.flag("https_server_enabled");
  config.https_listen_addr = file.text("https_listen_addr");
  config.cert_file = file.text("cert_file");
  config.key_file = file.text("key_file");
  if (config.https_server_enabled && config.https_listen_addr.empty()) {
    throw base::ConfigError("invalid-https-configuration: " + path + ": https_listen_addr: expected host:port");
  }
  config.debug_address = file.text("debug_address");
  read_logging(file, config);
  return config;
}

}  // namespace rivera::file_server
