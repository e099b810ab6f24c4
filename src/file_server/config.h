// The file server's configuration file (docs/spec/access-and-tools.md §3).
#pragma once

#include <string>

#include "base/log/log.h"

namespace rivera::file_server {

struct Config {
  std::string server_address = "0.0.0.0:8080";
  std::string static_directory;  // an existing directory
  bool https_server_enabled = false;
  std::string https_listen_addr;
  std::string cert_file;
  std::string key_file;
  std::string debug_address;  // "" = none
  base::LogLevel log_level = base::LogLevel::kInfo;
  base::LogTimeFormat log_time_format = base::LogTimeFormat::kUnixEpoch;
};

// Throws base::ConfigError; its text begins with upstream's name for what is wrong ("static-directory-missing").
Config load_config(const std::string& path);

}  // namespace rivera::file_server
