#include "base/log/log_settings.h"

namespace rivera::base {

LogSettings read_log_settings(const ConfigFile& file) {
  LogSettings settings;
  try {
    const std::string level = file.text("log_level");
    if (!level.empty()) settings.level = parse_log_level(level);
  } catch (const std::invalid_argument&) {
    file.fail("log_level", "debug, info, error or fatal");
  }
  const std::string format = file.text("time_format");
  if (format == "rfc3339") {
    settings.time_format = LogTimeFormat::kRfc3339;
  } else if (!format.empty() && format != "unix-epoch") {
    file.fail("time_format", "unix-epoch or rfc3339");
  }
  const std::int64_t longest =
      file.integer("max_data_string_length", static_cast<std::int64_t>(settings.scrubbing.longest_text));
  if (longest < 0 || longest > (1 << 30)) file.fail("max_data_string_length", "a number of bytes, 0 for no limit");
  settings.scrubbing.longest_text = static_cast<std::size_t>(longest);
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
