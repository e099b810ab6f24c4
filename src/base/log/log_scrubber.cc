#include "base/log/log_scrubber.h"

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string_view>

#include <boost/json/value.hpp>
#include <boost/regex.hpp>
#include <fmt/format.h>

namespace rivera::base {
namespace {

namespace json = boost::json;

constexpr std::string_view kRedacted = "*REDACTED*";
constexpr std::string_view kTruncated = "-(truncated)";
constexpr const char* kPasswordKeys = "[Pp]wd|[Pp]ass";
const std::vector<std::string> kSecretPatterns{
    "AKIA[A-Z0-9]{16}",
    "\"?(SECRET|secret|Secret)?_?(ACCESS|access|Access)?_?(KEY|key|Key)\"?\\s*(:|=>|=)\\s*\"?[A-Za-z0-9/\\+=]{40}\"?",
    "-----BEGIN [A-Z ]*PRIVATE KEY-----"};
// Of a longer text no more than this is logged where secrets are to be found, and so searched.
constexpr std::size_t kLongestSearched = 16 << 10;

boost::regex compile(const std::string& pattern) {
  try {
    return boost::regex(pattern, boost::regex::perl);
  } catch (const boost::regex_error& e) {
    throw std::invalid_argument(fmt::format("\"{}\" is not a regular expression: {}", pattern, e.what()));
  }
}

// At most `most` bytes of it, cut between two characters.
std::string cut(std::string_view text, std::size_t most) {
  std::size_t end = most > kTruncated.size() ? most - kTruncated.size() : 0;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)).append(kTruncated);
}

class Scrubber {
 public:
  explicit Scrubber(const LogScrubbing& rules)
      : longest_text_(rules.longest_text), redacts_(rules.redacts_secrets), password_keys_(compile(kPasswordKeys)) {
    for (const std::string& pattern : rules.redact_patterns.empty() ? kSecretPatterns : rules.redact_patterns) {
      secrets_.push_back(compile(pattern));
    }
  }

  void scrub(json::object& object) const {
    for (auto& member : object) {
      const std::string_view key(member.key().data(), member.key().size());
      if (redacts_ && boost::regex_search(key.begin(), key.end(), password_keys_)) {
        member.value() = kRedacted;
      } else {
        scrub(member.value());
      }
    }
  }

 private:
  bool is_secret(std::string_view text) const {
    return std::any_of(secrets_.begin(), secrets_.end(), [text](const boost::regex& pattern) {
      try {
        return boost::regex_search(text.begin(), text.end(), pattern);
      } catch (const std::runtime_error&) {
        return true;  // too hard to tell
      }
    });
  }

  void scrub(json::value& value) const {
    if (value.is_object()) {
      scrub(value.get_object());
    } else if (value.is_array()) {
      for (json::value& element : value.get_array()) scrub(element);
    } else if (value.is_string()) {
      scrub(value.get_string());
    }
  }

  void scrub(json::string& text) const {
    if (redacts_ && text.size() > kLongestSearched) text = cut(text, kLongestSearched);
    if (redacts_ && is_secret(text)) {
      text = kRedacted;
    } else if (longest_text_ > 0 && text.size() > longest_text_) {
      text = cut(text, longest_text_);
    }
  }

  std::size_t longest_text_;
  bool redacts_;
  boost::regex password_keys_;
  std::vector<boost::regex> secrets_;
};

std::unique_ptr<const Scrubber> the_scrubber;  // null: nothing to do

}  // namespace

void set_log_scrubbing(const LogScrubbing& rules) {
  const bool is_idle = rules.longest_text == 0 && !rules.redacts_secrets;
  the_scrubber = is_idle ? nullptr : std::make_unique<const Scrubber>(rules);
}

void check_log_scrubbing(const LogScrubbing& rules) { Scrubber{rules}; }

void scrub_log_data(json::object& data) {
  if (the_scrubber) the_scrubber->scrub(data);
}

}  // namespace rivera::base
