#include "base/config/config_key.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <stdexcept>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/duration.h"

namespace rivera::base {
namespace {

namespace json = boost::json;

ConfigKey make_key(std::string name, KeyType type, json::value fallback) {
  ConfigKey key;
  key.name = std::move(name);
  key.type = type;
  key.fallback = std::move(fallback);
  return key;
}

json::array array_of(const std::vector<std::string>& texts) {
  json::array out;
  for (const auto& text : texts) out.emplace_back(text);
  return out;
}

[[noreturn]] void expected(const std::string& what) { throw std::invalid_argument(what); }

std::string range_of(const ConfigKey& key, const std::string& what,
                     const std::function<std::string(std::int64_t)>& show) {
  const bool has_least = key.least != std::numeric_limits<std::int64_t>::min();
  const bool has_most = key.most != std::numeric_limits<std::int64_t>::max();
  if (has_least && has_most) return fmt::format("{} from {} to {}", what, show(key.least), show(key.most));
  if (has_least) return key.least == 1 ? what + " above zero" : fmt::format("{} of at least {}", what, show(key.least));
  if (has_most) return fmt::format("{} of at most {}", what, show(key.most));
  return what;
}

std::string expected_integer(const ConfigKey& key) {
  return range_of(key, "a whole number", [](std::int64_t n) { return std::to_string(n); });
}

std::string expected_duration(const ConfigKey& key) {
  const std::string what =
      range_of(key, "a duration", [](std::int64_t n) { return format_go_duration(std::chrono::nanoseconds(n)); });
  return what + " such as \"30s\"";
}

std::int64_t in_range(const ConfigKey& key, std::int64_t value, const std::string& what) {
  if (key.zero_is_default && value == 0) return value;
  if (value < key.least || value > key.most) expected(what);
  return value;
}

const std::string_view* text_of(const json::value& value, std::string_view& into) {
  if (!value.is_string()) return nullptr;
  into = value.get_string();
  return &into;
}

template <typename Number>
bool read_scalar(std::string_view text, Number& into) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), into);
  return ec == std::errc() && end == text.data() + text.size() && !text.empty();
}

json::value integer_form(const ConfigKey& key, const json::value& value, ConfigSource source) {
  const std::string what = expected_integer(key);
  std::int64_t number = 0;
  std::string_view text;
  if (source != ConfigSource::kJson && text_of(value, text)) {
    if (!read_scalar(text, number)) expected(what);
    return in_range(key, number, what);
  }
  json::error_code ec;
  number = value.to_number<std::int64_t>(ec);
  if (ec) expected(what);
  return in_range(key, number, what);
}

json::value number_form(const json::value& value, ConfigSource source) {
  double number = 0;
  std::string_view text;
  json::error_code ec;
  if (source != ConfigSource::kJson && text_of(value, text)) {
    if (!read_scalar(text, number)) expected("a number");
  } else {
    number = value.to_number<double>(ec);
  }
  if (ec || !std::isfinite(number)) expected("a number");
  return number;
}

json::value duration_form(const ConfigKey& key, const json::value& value) {
  const std::string what = expected_duration(key);
  const double unit = key.type == KeyType::kSeconds ? 1e9 : 1;
  if (value.is_number()) {
    const double nanos = value.to_number<double>() * unit;
    if (!(std::abs(nanos) < 9.2e18)) expected(what);
    if (value.is_int64()) return in_range(key, value.get_int64() * static_cast<std::int64_t>(unit), what);
    return in_range(key, static_cast<std::int64_t>(nanos), what);
  }
  if (!value.is_string()) expected(what);
  try {
    return in_range(key, parse_go_duration(std::string_view(value.get_string())).count(), what);
  } catch (const std::invalid_argument&) {
    expected(what);
  }
}

json::value flag_form(const json::value& value, ConfigSource source) {
  if (value.is_bool()) return value;
  std::string_view text;
  if (source == ConfigSource::kJson || !text_of(value, text)) expected("true or false");
  // Of YAML 1.1, and of Go's flag package.
  static constexpr std::string_view kTrue[] = {"true", "True", "TRUE", "yes", "Yes", "YES",
                                               "on",   "On",   "ON",   "1",   "t",   "T"};
  static constexpr std::string_view kFalse[] = {"false", "False", "FALSE", "no", "No", "NO",
                                                "off",   "Off",   "OFF",   "0",  "f",  "F"};
  if (std::ranges::find(kTrue, text) != std::end(kTrue)) return true;
  if (std::ranges::find(kFalse, text) != std::end(kFalse)) return false;
  expected("true or false");
}

json::value text_form(const ConfigKey& key, const json::value& value) {
  if (key.type == KeyType::kTextOrNumber && value.is_number()) {
    json::error_code ec;
    const auto number = value.to_number<std::int64_t>(ec);
    if (ec) expected("a string, or a whole number");
    return json::value(std::to_string(number));
  }
  if (!value.is_string())
    expected(key.choices.empty() ? "a string" : fmt::format("{}", fmt::join(key.choices, " or ")));
  const std::string_view text = value.get_string();
  const bool is_default = key.zero_is_default && text.empty();
  if (!key.choices.empty() && !is_default && std::ranges::find(key.choices, text) == key.choices.end()) {
    expected(fmt::format("{}", fmt::join(key.choices, " or ")));
  }
  return value;
}

json::value texts_form(const json::value& value, ConfigSource source) {
  if (source != ConfigSource::kJson && value.is_string()) {
    return value.get_string().empty() ? json::array() : json::array{value};
  }
  if (!value.is_array()) expected("a list of strings");
  for (const auto& item : value.get_array()) {
    if (!item.is_string()) expected("a list of strings");
  }
  return value;
}

json::value text_map_form(const json::value& value) {
  if (!value.is_object()) expected("an object of strings");
  for (const auto& member : value.get_object()) {
    if (!member.value().is_string()) expected("an object of strings");
  }
  return value;
}

}  // namespace

ConfigKey&& ConfigKey::between(std::int64_t lowest, std::int64_t highest) && {
  least = lowest;
  most = highest;
  return std::move(*this);
}
ConfigKey&& ConfigKey::at_least(std::chrono::nanoseconds lowest) && {
  least = lowest.count();
  return std::move(*this);
}
ConfigKey&& ConfigKey::at_most(std::chrono::nanoseconds highest) && {
  most = highest.count();
  return std::move(*this);
}
ConfigKey&& ConfigKey::positive() && {
  least = 1;
  return std::move(*this);
}
ConfigKey&& ConfigKey::not_negative() && {
  least = 0;
  return std::move(*this);
}
ConfigKey&& ConfigKey::one_of(std::vector<std::string> texts) && {
  choices = std::move(texts);
  return std::move(*this);
}
ConfigKey&& ConfigKey::with_zero_as_default() && {
  zero_is_default = true;
  return std::move(*this);
}
ConfigKey&& ConfigKey::unused(std::string why) && {
  effect = KeyEffect::kUnused;
  reason = std::move(why);
  return std::move(*this);
}
ConfigKey&& ConfigKey::not_built(std::string why) && {
  effect = KeyEffect::kNotBuilt;
  reason = std::move(why);
  return std::move(*this);
}
ConfigKey&& ConfigKey::refused(std::string why) && {
  effect = KeyEffect::kRefused;
  reason = std::move(why);
  return std::move(*this);
}
ConfigKey&& ConfigKey::described(std::string text) && {
  help = std::move(text);
  return std::move(*this);
}

ConfigKey text_key(std::string name, std::string fallback) {
  return make_key(std::move(name), KeyType::kText, json::value(fallback));
}
ConfigKey flag_key(std::string name, bool fallback) { return make_key(std::move(name), KeyType::kFlag, fallback); }
ConfigKey integer_key(std::string name, std::int64_t fallback) {
  return make_key(std::move(name), KeyType::kInteger, fallback);
}
ConfigKey port_key(std::string name, std::uint16_t fallback) {
  return integer_key(std::move(name), fallback).between(0, 65535);
}
ConfigKey number_key(std::string name, double fallback) {
  return make_key(std::move(name), KeyType::kNumber, fallback);
}
ConfigKey duration_key(std::string name, std::chrono::nanoseconds fallback) {
  return make_key(std::move(name), KeyType::kDuration, fallback.count());
}
ConfigKey seconds_key(std::string name, std::chrono::nanoseconds fallback) {
  return make_key(std::move(name), KeyType::kSeconds, fallback.count());
}
ConfigKey text_or_number_key(std::string name, std::string fallback) {
  return make_key(std::move(name), KeyType::kTextOrNumber, json::value(fallback));
}
ConfigKey texts_key(std::string name, std::vector<std::string> fallback) {
  return make_key(std::move(name), KeyType::kTexts, array_of(fallback));
}
ConfigKey text_map_key(std::string name) { return make_key(std::move(name), KeyType::kTextMap, json::object()); }
ConfigKey section_key(std::string name, ConfigKeys children) {
  ConfigKey key = make_key(std::move(name), KeyType::kSection, json::object());
  key.children = std::move(children);
  return key;
}
ConfigKey sections_key(std::string name, ConfigKeys children) {
  ConfigKey key = make_key(std::move(name), KeyType::kSections, json::array());
  key.children = std::move(children);
  return key;
}

ConfigKeys joined_keys(std::vector<ConfigKeys> groups) {
  ConfigKeys out;
  for (ConfigKeys& group : groups) std::move(group.begin(), group.end(), std::back_inserter(out));
  return out;
}

json::value normal_form(const ConfigKey& key, const json::value& value, ConfigSource source) {
  switch (key.type) {
    case KeyType::kText:
    case KeyType::kTextOrNumber:
      return text_form(key, value);
    case KeyType::kFlag:
      return flag_form(value, source);
    case KeyType::kInteger:
      return integer_form(key, value, source);
    case KeyType::kNumber:
      return number_form(value, source);
    case KeyType::kDuration:
    case KeyType::kSeconds:
      return duration_form(key, value);
    case KeyType::kTexts:
      return texts_form(value, source);
    case KeyType::kTextMap:
      return text_map_form(value);
    case KeyType::kSection:
      if (!value.is_object()) expected("an object");
      return value;
    case KeyType::kSections:
      if (!value.is_array()) expected("a list of objects");
      for (const auto& item : value.get_array()) {
        if (!item.is_object()) expected("a list of objects");
      }
      return value;
  }
  return value;
}

bool asks_for_nothing(const ConfigKey& key, const json::value& value) {
  if (value == key.fallback) return true;
  switch (value.kind()) {
    case json::kind::bool_:
      return !value.get_bool();
    case json::kind::string:
      return value.get_string().empty();
    case json::kind::array:
      return value.get_array().empty();
    case json::kind::object:
      return value.get_object().empty();
    case json::kind::null:
      return true;
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_:
      return value.to_number<double>() == 0;
  }
  return false;
}

}  // namespace rivera::base
