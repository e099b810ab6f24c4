#include "file_server/config.h"

#include "clients/loggregator_client.h"

namespace rivera::file_server {
namespace {

base::ConfigKeys own_keys() {
  using namespace base;
  return {
      text_key("server_address", "0.0.0.0:8080").with_zero_as_default(),
      text_key("static_directory"),
      flag_key("https_server_enabled"),
      text_key("https_listen_addr"),
      text_key("cert_file"),
      text_key("key_file"),
      text_key("debug_address"),
      net::client_limits_key(),
  };
}

base::ConfigFile load(const std::string& path) {
  try {
    return base::ConfigFile::load(path, config_keys());
  } catch (const base::ConfigError& e) {
    throw base::ConfigError(std::string("failed-to-parse-config: ") + e.what());
  }
}

}  // namespace

const base::ConfigKeys& config_keys() {
  static const base::ConfigKeys keys =
      base::joined_keys({own_keys(), base::log_keys(),
                         clients::loggregator_keys_without_effect("the file server sends no metrics to Loggregator")});
  return keys;
}

Config load_config(const std::string& path) {
  const auto file = load(path);
  Config config;
  config.server_address = file.text("server_address");
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
  config.client_limits = net::read_client_limits(file);
  config.log = base::read_log_settings(file);
  config.notices = file.notices();
  return config;
}

}  // namespace rivera::file_server
