#include "base/testing/config_walk.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <sstream>
#include <stdexcept>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/files.h"
#include "base/testing/places.h"

namespace rivera::base::testing {
namespace {

namespace json = boost::json;

// "a.b[].c" as its parts, a list marked by "[]" at the end of its part.
std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> parts;
  std::istringstream in(path);
  for (std::string part; std::getline(in, part, '.');) parts.push_back(part);
  return parts;
}

void put(json::object& object, std::vector<std::string> parts, const json::value& value) {
  const std::string part = parts.front();
  parts.erase(parts.begin());
  if (parts.empty()) {
    object[part] = value;
    return;
  }
  if (!part.ends_with("[]")) {
    json::value& inner = object[part];
    if (!inner.is_object()) inner.emplace_object();
    put(inner.get_object(), parts, value);
    return;
  }
  json::value& list = object[part.substr(0, part.size() - 2)];
  if (!list.is_array()) list.emplace_array();
  if (list.get_array().empty()) list.get_array().push_back(json::object());
  put(list.get_array()[0].get_object(), parts, value);
}

bool is_set(const json::object& object, std::vector<std::string> parts) {
  std::string part = parts.front();
  parts.erase(parts.begin());
  const bool is_list = part.ends_with("[]");
  if (is_list) part.resize(part.size() - 2);
  const json::value* value = object.if_contains(part);
  if (value == nullptr || value->is_null()) return false;
  if (parts.empty()) return true;
  if (is_list) value = value->is_array() && !value->get_array().empty() ? &value->get_array()[0] : nullptr;
  return value != nullptr && value->is_object() && is_set(value->get_object(), parts);
}

std::string in_other_case(std::string name) {
  for (std::size_t i = 0; i < name.size(); i += 2) {
    name[i] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[i])));
  }
  return name;
}

// The default as a file would say it.
json::value written_default(const ConfigKey& key) {
  if (key.type == KeyType::kDuration || key.type == KeyType::kSeconds) {
    return json::value(fmt::format("{}ns", key.fallback.get_int64()));
  }
  return key.fallback;
}

// A value that the key takes and that is neither the default nor nothing.
json::value other_value(const ConfigKey& key) {
  const auto other_number = [&key](std::int64_t unit) {
    const std::int64_t fallback = key.fallback.get_int64();
    if (fallback < key.most - 2 * unit || key.most < 0) return fallback + 2 * unit;
    return std::max(fallback - 1, key.least);
  };
  switch (key.type) {
    case KeyType::kText:
      for (const std::string& choice : key.choices) {
        if (json::value(choice) != key.fallback) return json::value(choice);
      }
      return json::value("other");
    case KeyType::kTextOrNumber:
      return json::value(77);
    case KeyType::kFlag:
      return json::value(!key.fallback.get_bool());
    case KeyType::kInteger:
      return json::value(other_number(1));
    case KeyType::kNumber:
      return json::value(key.fallback.get_double() + 0.5);
    case KeyType::kDuration:
    case KeyType::kSeconds:
      return json::value(fmt::format("{}ns", other_number(1'000'000'000)));
    case KeyType::kTexts:
      return json::array{"other"};
    case KeyType::kTextMap:
    case KeyType::kSection:
      return json::object{{"other", "text"}};
    case KeyType::kSections:
      return json::array{json::object{{"other", "text"}}};
  }
  return nullptr;
}

// A text for what only takes texts: YAML and flags.
json::value as_scalar(const json::value& value, ConfigSource source) {
  if (source == ConfigSource::kJson) return value;
  if (value.is_bool()) return json::value(value.get_bool() ? "true" : "false");
  if (value.is_int64()) return json::value(std::to_string(value.get_int64()));
  if (value.is_double()) return json::value(fmt::format("{}", value.get_double()));
  return value;
}

// Walks over one table; collects complaints.
class Walker {
 public:
  explicit Walker(const ConfigWalk& walk) : walk_(walk) {}

  std::vector<std::string> run() {
    visit(walk_.keys, "");
    return std::move(complaints_);
  }

 private:
  void visit(const ConfigKeys& keys, const std::string& prefix) {
    for (const ConfigKey& key : keys) {
      const bool is_list = key.type == KeyType::kSections;
      const bool has_children = (is_list || key.type == KeyType::kSection) && key.effect == KeyEffect::kHas;
      if (has_children) {
        visit(key.children, prefix + key.name + (is_list ? "[]." : "."));
        continue;
      }
      try {
        check(key, prefix + key.name);
      } catch (const std::exception& e) {
        complain(prefix + key.name, e.what());
      }
    }
  }

  void check(const ConfigKey& key, const std::string& path) {
    json::object without = walk_.base;
    if (const auto context = walk_.contexts.find(path); context != walk_.contexts.end()) {
      for (const auto& member : context->second) without[member.key()] = member.value();
    }
    // Sections around the key are there in both, so that only the key makes a difference.
    if (path.find("[]") != std::string::npos && !is_set(without, parts_of(path))) put(without, parts_of(path), nullptr);
    const auto sample = walk_.samples.find(path);
    const json::value value =
        as_scalar(sample == walk_.samples.end() ? other_value(key) : sample->second, walk_.source);
    const auto with = [&](const json::value& given, const std::string& name) {
      json::object config = without;
      put(config, parts_of(name), given);
      return config;
    };
    check_effect(key, path, without, with(value, path));
    if (is_set(without, parts_of(path))) return;  // it is set anyhow: the rest is about absence
    const LoadedConfig absent = walk_.load(without);
    // null is an empty list, as in Go, whatever the default.
    const bool is_list = key.type == KeyType::kTexts || key.type == KeyType::kSections;
    if (!is_list) expect_same(path, absent, with(nullptr, path), "null");
    if (!walk_.with_derived_default.contains(path)) {
      expect_same(path, absent, with(as_scalar(written_default(key), walk_.source), path), "its default");
    }
    if (walk_.source == ConfigSource::kJson && key.effect != KeyEffect::kRefused) {
      if (walk_.load(with(value, in_other_case(path))).fields != walk_.load(with(value, path)).fields) {
        complain(path, "does not match in another case");
      }
    }
    if (const json::value wrong = wrong_value(key); !wrong.is_null()) {
      expect_refusal(path, with(wrong, path), "a value of a wrong type");
    }
  }

  // Null where the source has none.
  json::value wrong_value(const ConfigKey& key) const {
    const bool is_text = key.type == KeyType::kText || key.type == KeyType::kTexts;
    if (walk_.source == ConfigSource::kFlags) return is_text ? json::value() : json::value("?");
    if (key.type == KeyType::kSections) return json::value(1.5);
    json::array list;
    list.push_back(json::object());
    return list;
  }

  void check_effect(const ConfigKey& key, const std::string& path, const json::object& without,
                    const json::object& config) {
    if (key.effect == KeyEffect::kRefused) {
      expect_refusal(path, config, "a value that asks for something");
      return;
    }
    const LoadedConfig before = walk_.load(without);
    const LoadedConfig after = walk_.load(config);
    if (key.effect == KeyEffect::kHas) {
      if (before.fields == after.fields) complain(path, "changes nothing");
      if (is_noted(after, path)) complain(path, "is noted although it has an effect");
      return;
    }
    if (!is_noted(after, path)) complain(path, "has no effect, and nothing says so");
    if (is_noted(before, path)) complain(path, "is noted although it is not set");
  }

  // Notices name members of lists by their place.
  static bool is_noted(const LoadedConfig& loaded, const std::string& path) {
    return std::ranges::any_of(loaded.notices, [&](const ConfigNotice& notice) {
      std::string key = notice.key.starts_with("--") ? notice.key.substr(2) : notice.key;
      for (auto at = key.find("[0]"); at != std::string::npos; at = key.find("[0]")) key.erase(at + 1, 1);
      return key == path;
    });
  }

  void expect_same(const std::string& path, const LoadedConfig& absent, const json::object& config, const char* what) {
    const LoadedConfig loaded = walk_.load(config);
    const bool is_same = loaded.fields == absent.fields && is_noted(loaded, path) == is_noted(absent, path);
    if (!is_same) complain(path, fmt::format("{} is not the same as no key", what));
  }

  void expect_refusal(const std::string& path, const json::object& config, const char* what) {
    try {
      walk_.load(config);
      complain(path, fmt::format("{} is not refused", what));
    } catch (const std::exception& e) {
      const std::string name = parts_of(path).back();
      if (std::string(e.what()).find(name) == std::string::npos) {
        complain(path, fmt::format("{} is refused without its name: {}", what, e.what()));
      }
    }
  }

  void complain(const std::string& path, const std::string& problem) { complaints_.push_back(path + ": " + problem); }

  const ConfigWalk& walk_;
  std::vector<std::string> complaints_;
};

void collect_paths(const ConfigKeys& keys, const std::string& prefix, std::vector<std::string>& out) {
  for (const ConfigKey& key : keys) {
    out.push_back(prefix + key.name);
    collect_paths(key.children, prefix + key.name + ".", out);
  }
}

// "a.{b,c}" as "a.b" and "a.c".
std::vector<std::string> without_braces(const std::string& text) {
  const auto open = text.find('{');
  const auto close = text.find('}', open);
  if (open == std::string::npos || close == std::string::npos) return {text};
  std::vector<std::string> out;
  std::istringstream inner(text.substr(open + 1, close - open - 1));
  for (std::string each; std::getline(inner, each, ',');) {
    for (const std::string& rest : without_braces(text.substr(close + 1)))
      out.push_back(text.substr(0, open) + each + rest);
  }
  return out;
}

// The names in a cell: in code quotes if it has any, else words at its commas.
std::vector<std::string> names_in(const std::string& cell) {
  std::vector<std::string> texts;
  if (cell.find('`') == std::string::npos) {
    std::istringstream in(cell);
    for (std::string each; std::getline(in, each, ',');) texts.push_back(each);
  } else {
    for (auto at = cell.find('`'); at != std::string::npos; at = cell.find('`', at)) {
      const auto end = cell.find('`', at + 1);
      if (end == std::string::npos) break;
      texts.push_back(cell.substr(at + 1, end - at - 1));
      at = end + 1;
    }
  }
  std::vector<std::string> out;
  for (const std::string& text : texts) {
    for (std::string name : without_braces(text)) {
      name.erase(0, name.find_first_not_of(" -\t"));
      name = name.substr(0, name.find_first_of(" ("));
      if (!name.empty()) out.push_back(name);
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> walk_config(const ConfigWalk& walk) { return Walker(walk).run(); }

std::vector<std::string> keys_in_specification(const std::string& file, const std::string& heading) {
  std::istringstream in(read_file(source_dir() + "/docs/spec/" + file));
  std::vector<std::string> out;
  bool is_inside = false, was_found = false, is_in_table = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("#")) {
      is_inside = line.starts_with(heading);
      was_found = was_found || is_inside;
      is_in_table = false;
      continue;
    }
    is_in_table = is_in_table && line.starts_with("|");
    if (!is_inside || !line.starts_with("|")) continue;
    if (line.starts_with("|-")) {
      is_in_table = true;
      continue;
    }
    if (!is_in_table || line.ends_with("-|")) continue;
    for (const std::string& name : names_in(line.substr(1, line.find('|', 1) - 1))) out.push_back(name);
  }
  if (!was_found) throw std::runtime_error(fmt::format("{} has no heading \"{}\"", file, heading));
  return out;
}

std::vector<std::string> keys_missing(const std::vector<std::string>& named, const ConfigKeys& keys) {
  std::vector<std::string> paths;
  collect_paths(keys, "", paths);
  const auto is_there = [&paths](const std::string& name) {
    const bool is_end = name.starts_with("_") || name.starts_with("…");
    const std::string text = name.starts_with("…") ? name.substr(std::string("…").size()) : name;
    const auto star = text.find('*');
    return std::ranges::any_of(paths, [&](const std::string& path) {
      if (is_end) return path.ends_with(text);
      if (star == std::string::npos) return path == text;
      const std::string start = text.substr(0, star);  // "oauth.*" stands for the section, too
      return path.starts_with(start) || (start.ends_with('.') && path + "." == start);
    });
  };
  std::vector<std::string> out;
  std::ranges::copy_if(named, std::back_inserter(out), [&](const std::string& name) { return !is_there(name); });
  return out;
}

}  // namespace rivera::base::testing
