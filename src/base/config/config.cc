#include "base/config/config.h"

#include <algorithm>
#include <iostream>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include "base/files.h"

namespace rivera::base {
namespace {

namespace json = boost::json;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool is_same_name(std::string_view a, std::string_view b, ConfigSource source) {
  if (source != ConfigSource::kJson) return a == b;
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

// A section given twice, in two spellings, is read twice into one, as Go does: the later members count.
json::object merged(const json::object& earlier, const json::object& later) {
  json::object both;
  for (const auto& member : earlier) {
    if (!later.contains(member.key())) both.insert(member);
  }
  for (const auto& member : later) both.insert(member);
  return both;
}

}  // namespace

ConfigFile ConfigFile::load(const std::string& path, const ConfigKeys& keys) {
  if (path.empty()) throw ConfigError("-config: expected the path of the configuration file");
  std::string text;
  try {
    text = read_file(path);
  } catch (const std::exception& e) {
    throw ConfigError(e.what());
  }
  json::error_code ec;
  json::value value = json::parse(text, ec);
  if (ec) throw ConfigError(fmt::format("{}: not valid JSON: {}", path, ec.message()));
  if (!value.is_object()) throw ConfigError(fmt::format("{}: expected a JSON object", path));
  return ConfigFile(path, std::move(value.as_object()), keys);
}

ConfigFile::ConfigFile(std::string name, json::object values, const ConfigKeys& keys, ConfigSource source)
    : ConfigFile(Unchecked{}, std::move(name), {}, std::make_shared<const ConfigKeys>(keys), source,
                 source == ConfigSource::kFlags ? "--" : "") {
  take(std::move(values));
}

ConfigFile::ConfigFile(Unchecked, std::string name, json::object values, std::shared_ptr<const ConfigKeys> keys,
                       ConfigSource source, std::string prefix)
    : name_(std::move(name)),
      values_(std::move(values)),
      keys_(std::move(keys)),
      source_(source),
      prefix_(std::move(prefix)) {}

void ConfigFile::take(json::object given) {
  for (auto& member : given) {
    const ConfigKey* key = find_key(member.key());
    if (key == nullptr) {
      notices_.push_back({ConfigNotice::Kind::kUnknown, prefix_ + std::string(member.key()), "unknown key"});
      continue;
    }
    take_value(*key, member.value());
  }
  // After all of them: of one key in two spellings, the last counts.
  for (const ConfigKey& key : *keys_) {
    if (values_.contains(key.name)) note(key);
  }
}

void ConfigFile::take_value(const ConfigKey& key, json::value& given) {
  const bool is_list = key.type == KeyType::kTexts || key.type == KeyType::kSections;
  if (given.is_null()) {
    if (is_list) values_[key.name] = json::array();
    return;
  }
  try {
    json::value value = normal_form(key, given, source_);
    const json::value* earlier = values_.if_contains(key.name);
    if (key.type == KeyType::kSection && earlier != nullptr) {
      value = merged(earlier->as_object(), value.as_object());
    }
    values_[key.name] = std::move(value);
  } catch (const std::invalid_argument& e) {
    fail(key.name, e.what());
  }
}

void ConfigFile::note(const ConfigKey& key) {
  const json::value& value = values_.at(key.name);
  const bool is_idle = asks_for_nothing(key, value);
  switch (key.effect) {
    case KeyEffect::kHas:
      break;
    case KeyEffect::kUnused:
      if (value != key.fallback) notices_.push_back({ConfigNotice::Kind::kUnused, prefix_ + key.name, key.reason});
      return;
    case KeyEffect::kNotBuilt:
      if (!is_idle) notices_.push_back({ConfigNotice::Kind::kNotBuilt, prefix_ + key.name, key.reason});
      return;
    case KeyEffect::kRefused:
      if (!is_idle) fail(key.name, fmt::format("no such setting, because {}", key.reason));
      return;
  }
  // What a section says is checked when the whole is, whether or not it is asked for.
  const auto check = [this](const ConfigFile& section) {
    notices_.insert(notices_.end(), section.notices_.begin(), section.notices_.end());
  };
  if (key.type == KeyType::kSection) check(section(key.name));
  if (key.type == KeyType::kSections) {
    for (const ConfigFile& each : sections(key.name)) check(each);
  }
}

const ConfigKey* ConfigFile::find_key(std::string_view name) const {
  const auto found =
      std::ranges::find_if(*keys_, [&](const ConfigKey& key) { return is_same_name(key.name, name, source_); });
  return found == keys_->end() ? nullptr : &*found;
}

const ConfigKey& ConfigFile::key_of(std::string_view name, KeyType type, KeyType or_type) const {
  const ConfigKey* key = find_key(name);
  if (key == nullptr || (key->type != type && key->type != or_type)) {
    throw std::logic_error(fmt::format("{}{} is no key of this type", prefix_, name));
  }
  return *key;
}

const json::value& ConfigFile::value_of(const ConfigKey& key) const {
  const json::value* value = values_.if_contains(key.name);
  if (value == nullptr || (key.zero_is_default && asks_for_nothing(key, *value))) return key.fallback;
  return *value;
}

bool ConfigFile::has(std::string_view name) const {
  const ConfigKey* key = find_key(name);
  return key != nullptr && values_.contains(key->name);
}

void ConfigFile::fail(std::string_view key, std::string_view expected) const {
  throw ConfigError(fmt::format("{}: {}{}: expected {}", name_, prefix_, key, expected));
}

std::string ConfigFile::text(std::string_view key) const {
  return std::string(value_of(key_of(key, KeyType::kText, KeyType::kTextOrNumber)).get_string());
}

std::string ConfigFile::required_text(std::string_view key) const {
  std::string value = text(key);
  if (value.empty()) fail(key, "a non-empty string (the key is required)");
  return value;
}

bool ConfigFile::flag(std::string_view key) const {
  return value_of(key_of(key, KeyType::kFlag, KeyType::kFlag)).get_bool();
}

std::int64_t ConfigFile::integer(std::string_view key) const {
  return value_of(key_of(key, KeyType::kInteger, KeyType::kInteger)).get_int64();
}

double ConfigFile::number(std::string_view key) const {
  return value_of(key_of(key, KeyType::kNumber, KeyType::kNumber)).get_double();
}

std::chrono::nanoseconds ConfigFile::duration(std::string_view key) const {
  return std::chrono::nanoseconds(value_of(key_of(key, KeyType::kDuration, KeyType::kSeconds)).get_int64());
}

std::vector<std::string> ConfigFile::texts(std::string_view key) const {
  std::vector<std::string> out;
  for (const auto& item : value_of(key_of(key, KeyType::kTexts, KeyType::kTexts)).get_array()) {
    out.emplace_back(item.get_string());
  }
  return out;
}

std::map<std::string, std::string> ConfigFile::text_map(std::string_view key) const {
  std::map<std::string, std::string> out;
  for (const auto& member : value_of(key_of(key, KeyType::kTextMap, KeyType::kTextMap)).get_object()) {
    out[std::string(member.key())] = std::string(member.value().get_string());
  }
  return out;
}

ConfigFile ConfigFile::section(std::string_view name) const {
  const ConfigKey& key = key_of(name, KeyType::kSection, KeyType::kSection);
  ConfigFile out(Unchecked{}, name_, {}, std::shared_ptr<const ConfigKeys>(keys_, &key.children), source_,
                 fmt::format("{}{}.", prefix_, key.name));
  out.take(value_of(key).get_object());
  return out;
}

std::vector<ConfigFile> ConfigFile::sections(std::string_view name) const {
  const ConfigKey& key = key_of(name, KeyType::kSections, KeyType::kSections);
  std::vector<ConfigFile> out;
  for (const auto& item : value_of(key).get_array()) {
    out.push_back(ConfigFile(Unchecked{}, name_, {}, std::shared_ptr<const ConfigKeys>(keys_, &key.children), source_,
                             fmt::format("{}{}[{}].", prefix_, key.name, out.size())));
    out.back().take(item.get_object());
  }
  return out;
}

std::string to_text(const ConfigNotice& notice) {
  switch (notice.kind) {
    case ConfigNotice::Kind::kUnknown:
      return notice.key + ": unknown key, ignored";
    case ConfigNotice::Kind::kUnused:
      return fmt::format("{}: has no effect: {}", notice.key, notice.reason);
    case ConfigNotice::Kind::kNotBuilt:
      return fmt::format("{}: has no effect yet: {}", notice.key, notice.reason);
  }
  return notice.key;
}

int report_checked(const ConfigNotices& notices) {
  for (const ConfigNotice& notice : notices) std::cerr << to_text(notice) << "\n";
  return 0;
}

}  // namespace rivera::base
