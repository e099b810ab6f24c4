// The file server's configuration file (docs/spec/access-and-tools.md §3).
#pragma once

#include <string>

#include "base/config/config.h"
#include "base/log/log_settings.h"
#include "net/limits/client_limits.h"

namespace rivera::file_server {

struct Config {
  std::string server_address = "0.0.0.0:8080";
  std::string static_directory;  // an existing directory
  bool https_server_enabled = false;
  std::string https_listen_addr;
  std::string cert_file;
  std::string key_file;
  std::string debug_address;  // "" = none
  net::ClientLimits client_limits;
  base::LogSettings log;
  base::ConfigNotices notices;  // to be logged at start
};

// Every key that upstream knows, and ours.
const base::ConfigKeys& config_keys();

// Throws base::ConfigError; its text begins with upstream's name for what is wrong ("static-directory-missing").
Config load_config(const std::string& path);

}  // namespace rivera::file_server
