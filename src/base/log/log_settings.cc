#include "base/log/log_settings.h"

namespace rivera::base {

ConfigKeys log_keys() {
  return {text_key("log_level", "info").one_of({"debug", "info", "error", "fatal"}).with_zero_as_default(),
          text_key("time_format", "unix-epoch").one_of({"unix-epoch", "rfc3339"}).with_zero_as_default(),
          integer_key("max_data_string_length", 640).between(0, 1 << 30), flag_key("redact_secrets"),
          texts_key("redact_patterns")};
}

LogSettings read_log_settings(const ConfigFile& file) {
  LogSettings settings;
  settings.level = parse_log_level(file.text("log_level"));
  settings.time_format = file.text("time_format") == "rfc3339" ? LogTimeFormat::kRfc3339 : LogTimeFormat::kUnixEpoch;
  settings.scrubbing.longest_text = file.count<std::size_t>("max_data_string_length");
  settings.scrubbing.redacts_secrets = file.flag("redact_secrets");
  settings.scrubbing.redact_patterns = file.texts("redact_patterns");
  try {
    check_log_scrubbing(settings.scrubbing);
  } catch (const std::invalid_argument& e) {
    file.fail("redact_patterns", std::string("regular expressions: ") + e.what());
  }
  return settings;
}

}  // namespace rivera::base
