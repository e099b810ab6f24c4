// Keeping secrets and very long texts out of the log.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

namespace rivera::base {

struct LogScrubbing {
  std::size_t longest_text = 0;  // bytes; longer texts are cut to it, their end saying so; 0 = texts are never cut
  bool redacts_secrets = false;
  // Regular expressions (Perl's syntax) of what a secret looks like; if empty, access keys of AWS and private keys.
  std::vector<std::string> redact_patterns;
};

// Sets the rules for every logger of this process: one that could be made without them would be a hole. To be called
// before a second thread logs. Throws std::invalid_argument naming the pattern that is no regular expression.
void set_log_scrubbing(const LogScrubbing& rules);

// Throws what set_log_scrubbing() would throw.
void check_log_scrubbing(const LogScrubbing& rules);

// Applies the rules to a line's data. A text is replaced by "*REDACTED*" as a whole if one of the patterns occurs in it
// or if its key looks like that of a password.
void scrub_log_data(boost::json::object& data);

}  // namespace rivera::base
