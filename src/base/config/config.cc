#include "base/config/config.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "base/duration.h"
#include "base/files.h"

namespace rivera::base {

ConfigFile ConfigFile::load(const std::string& path) {
  std::string text;
  try {
    text = read_file(path);
  } catch (const std::exception& e) {
    throw ConfigError(e.what());
  }
  boost::json::error_code ec;
  boost::json::value value = boost::json::parse(text, ec);
  if (ec) throw ConfigError(fmt::format("{}: not valid JSON: {}", path, ec.message()));
  if (!value.is_object()) throw ConfigError(fmt::format("{}: expected a JSON object", path));
  return ConfigFile(path, std::move(value.as_object()));
}

ConfigFile::ConfigFile(std::string name, boost::json::object values, std::string key_prefix)
    : name_(std::move(name)), values_(std::move(values)), prefix_(std::move(key_prefix)) {}

const boost::json::value* ConfigFile::find(std::string_view key) const {
  const auto* value = values_.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool ConfigFile::has(std::string_view key) const { return find(key) != nullptr; }

void ConfigFile::fail(std::string_view key, std::string_view expected) const {
  throw ConfigError(fmt::format("{}: {}{}: expected {}", name_, prefix_, key, expected));
}

std::string ConfigFile::text(std::string_view key, std::string fallback) const {
  const auto* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_string()) fail(key, "a string");
  return std::string(value->as_string());
}

std::string ConfigFile::required_text(std::string_view key) const {
  std::string value = text(key);
  if (value.empty()) fail(key, "a non-empty string (the key is required)");
  return value;
}

bool ConfigFile::flag(std::string_view key, bool fallback) const {
  const auto* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_bool()) fail(key, "true or false");
  return value->as_bool();
}

std::int64_t ConfigFile::integer(std::string_view key, std::int64_t fallback) const {
  const auto* value = find(key);
  if (value == nullptr) return fallback;
  boost::json::error_code ec;
  const auto number = value->to_number<std::int64_t>(ec);
  if (ec) fail(key, "a whole number");
  return number;
}

double ConfigFile::number(std::string_view key, double fallback) const {
  const auto* value = find(key);
  if (value == nullptr) return fallback;
  boost::json::error_code ec;
  const auto number = value->to_number<double>(ec);
  if (ec) fail(key, "a number");
  return number;
}

std::chrono::nanoseconds ConfigFile::duration(std::string_view key, std::chrono::nanoseconds fallback) const {
  const auto* value = find(key);
  if (value == nullptr) return fallback;
  if (value->is_int64()) return std::chrono::nanoseconds{value->as_int64()};
  if (!value->is_string()) fail(key, "a duration such as \"30s\"");
  try {
    return parse_go_duration(value->as_string());
  } catch (const std::invalid_argument&) {
    fail(key, "a duration such as \"30s\"");
  }
}

std::vector<std::string> ConfigFile::texts(std::string_view key) const {
  const auto* value = find(key);
  if (value == nullptr) return {};
  if (!value->is_array()) fail(key, "a list of strings");
  std::vector<std::string> out;
  for (const auto& item : value->as_array()) {
    if (!item.is_string()) fail(key, "a list of strings");
    out.emplace_back(item.as_string());
  }
  return out;
}

ConfigFile ConfigFile::section(std::string_view key) const {
  const std::string prefix = fmt::format("{}{}.", prefix_, key);
  const auto* value = find(key);
  if (value == nullptr) return ConfigFile(name_, {}, prefix);
  if (!value->is_object()) fail(key, "an object");
  return ConfigFile(name_, value->as_object(), prefix);
}

std::vector<ConfigFile> ConfigFile::sections(std::string_view key) const {
  const auto* value = find(key);
  if (value == nullptr) return {};
  if (!value->is_array()) fail(key, "a list of objects");
  std::vector<ConfigFile> out;
  for (const auto& item : value->as_array()) {
    if (!item.is_object()) fail(key, "a list of objects");
    out.emplace_back(name_, item.as_object(), fmt::format("{}{}[{}].", prefix_, key, out.size()));
  }
  return out;
}

}  // namespace rivera::base
