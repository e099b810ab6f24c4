// The keys of logging that the configuration of every Diego component has.
#pragma once

#include "base/config/config.h"
#include "base/log/log.h"
#include "base/log/log_scrubber.h"

namespace rivera::base {

struct LogSettings {
  LogLevel level = LogLevel::kInfo;
  LogTimeFormat time_format = LogTimeFormat::kUnixEpoch;
  LogScrubbing scrubbing{640, false, {}};
};

// log_level, time_format, max_data_string_length (0 = no limit), redact_secrets, redact_patterns (docs/spec/bbs.md
// §7.1).
ConfigKeys log_keys();

// Reads them from a file whose table holds them. Throws ConfigError.
LogSettings read_log_settings(const ConfigFile& file);

}  // namespace rivera::base
