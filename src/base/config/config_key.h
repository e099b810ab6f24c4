// The keys of a configuration as data: what a file may say, and its effect.
//
// Each program has one table of every key that upstream's program knows, and of its own. ConfigFile reads a file by
// that table: types, ranges and defaults are stated there and nowhere else.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

namespace rivera::base {

enum class KeyType {
  kText,
  kFlag,
  kInteger,
  kNumber,
  kDuration,      // a Go duration ("1m30s"), or a number of nanoseconds
  kSeconds,       // a number of seconds, or a Go duration
  kTextOrNumber,  // a text, or a number, which counts as its text
  kTexts,         // a list of texts
  kTextMap,       // an object of texts; its keys match exactly
  kSection,       // an object with keys of its own
  kSections,      // a list of such objects
};

enum class KeyEffect {
  kHas,
  // Upstream's program does not use it either, or it configures what does not exist here by design. Every such key
  // that is set is named in one line at start.
  kUnused,
  // Upstream acts on it and this program does not. One line at start names the key, unless its value is the default,
  // zero or empty.
  kNotBuilt,
  // As kNotBuilt, where to start regardless would be unsafe: the program refuses to start.
  kRefused,
};

struct ConfigKey;
using ConfigKeys = std::vector<ConfigKey>;

// One key. Built by the functions below and refined by the members that return it.
struct ConfigKey {
  std::string name;
  KeyType type = KeyType::kText;
  // In the normal form of the type: durations are nanoseconds, lists are arrays. Never null.
  boost::json::value fallback;
  std::int64_t least = std::numeric_limits<std::int64_t>::min();  // of integers and durations
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
  std::vector<std::string> choices;  // of texts; empty: any
  bool zero_is_default = false;      // 0 or "" counts as absent
  KeyEffect effect = KeyEffect::kHas;
  std::string reason;   // why it has no effect
  std::string help;     // of command-line flags; "" keeps a flag out of the help text
  ConfigKeys children;  // of sections

  // Ranges are inclusive.
  ConfigKey&& between(std::int64_t lowest, std::int64_t highest) &&;
  ConfigKey&& at_least(std::chrono::nanoseconds lowest) &&;
  ConfigKey&& at_most(std::chrono::nanoseconds highest) &&;
  ConfigKey&& positive() &&;
  ConfigKey&& not_negative() &&;
  ConfigKey&& one_of(std::vector<std::string> texts) &&;
  ConfigKey&& with_zero_as_default() &&;
  ConfigKey&& unused(std::string why) &&;
  ConfigKey&& not_built(std::string why) &&;
  ConfigKey&& refused(std::string why) &&;
  ConfigKey&& described(std::string text) &&;
};

ConfigKey text_key(std::string name, std::string fallback = "");
ConfigKey flag_key(std::string name, bool fallback = false);
ConfigKey integer_key(std::string name, std::int64_t fallback = 0);
ConfigKey port_key(std::string name, std::uint16_t fallback = 0);
ConfigKey number_key(std::string name, double fallback = 0);
ConfigKey duration_key(std::string name, std::chrono::nanoseconds fallback = {});
ConfigKey seconds_key(std::string name, std::chrono::nanoseconds fallback = {});
ConfigKey text_or_number_key(std::string name, std::string fallback = "");
ConfigKey texts_key(std::string name, std::vector<std::string> fallback = {});
ConfigKey text_map_key(std::string name);
ConfigKey section_key(std::string name, ConfigKeys children);
ConfigKey sections_key(std::string name, ConfigKeys children);

// One table of several, for programs that share keys.
ConfigKeys joined_keys(std::vector<ConfigKeys> groups);

// Where values come from: what their names and scalars look like.
enum class ConfigSource {
  kJson,   // names match in any case of ASCII letters, as Go's encoding/json does
  kYaml,   // names match exactly; scalars are texts
  kFlags,  // the same, and names begin with "--" in messages
};

// The value in the normal form of the key's type. Throws std::invalid_argument with what was expected ("a duration such
// as \"30s\""). Sections are left as they are.
boost::json::value normal_form(const ConfigKey& key, const boost::json::value& value, ConfigSource source);

// Whether `value`, in normal form, asks for nothing: it is the default, or zero, or empty.
bool asks_for_nothing(const ConfigKey& key, const boost::json::value& value);

}  // namespace rivera::base
