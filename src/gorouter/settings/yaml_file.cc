#include "gorouter/settings/yaml_file.h"

#include <charconv>

#include <fmt/format.h>

#include "base/duration.h"
#include "base/files.h"

namespace rivera::gorouter {

YamlFile YamlFile::load(const std::string& path) {
  std::string text;
  try {
    text = base::read_file(path);
  } catch (const std::exception& e) {
    throw base::ConfigError(e.what());
  }
  try {
    YAML::Node node = YAML::Load(text);
    if (node.IsNull()) node = YAML::Node(YAML::NodeType::Map);
    if (!node.IsMap()) throw base::ConfigError(path + ": expected a YAML mapping");
    return YamlFile(path, node, "");
  } catch (const YAML::Exception& e) {
    throw base::ConfigError(fmt::format("{}: not valid YAML: {}", path, e.what()));
  }
}

void YamlFile::fail(const char* key, const std::string& expected) const {
  throw base::ConfigError(fmt::format("{}: {}{}: expected {}", file_, prefix_, key, expected));
}

YAML::Node YamlFile::find(const char* key) const {
  if (!node_.IsMap()) return YAML::Node(YAML::NodeType::Undefined);
  const YAML::Node found = node_[key];
  return found.IsDefined() && !found.IsNull() ? found : YAML::Node(YAML::NodeType::Undefined);
}

bool YamlFile::has(const char* key) const { return find(key).IsDefined(); }

std::string YamlFile::scalar(const char* key, const YAML::Node& node, const std::string& expected) const {
  if (!node.IsScalar()) fail(key, expected);
  return node.Scalar();
}

void YamlFile::read(const char* key, std::string& into) const {
  const auto node = find(key);
  if (node.IsDefined()) into = scalar(key, node, "a text");
}

void YamlFile::read(const char* key, bool& into) const {
  const auto node = find(key);
  if (!node.IsDefined()) return;
  bool value = false;
  if (!node.IsScalar() || !YAML::convert<bool>::decode(node, value)) fail(key, "true or false");
  into = value;
}

void YamlFile::read(const char* key, int& into, int least) const {
  const auto node = find(key);
  if (!node.IsDefined()) return;
  const std::string text = scalar(key, node, "a whole number");
  int value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size() || value < least) {
    fail(key, fmt::format("a whole number from {} on", least));
  }
  into = value;
}

void YamlFile::read(const char* key, std::size_t& into) const {
  int value = static_cast<int>(std::min<std::size_t>(into, 1u << 30));
  if (!has(key)) return;
  read(key, value, 0);
  into = static_cast<std::size_t>(value);
}

void YamlFile::read_port(const char* key, std::uint16_t& into) const {
  int value = into;
  read(key, value, 0);
  if (value > 65535) fail(key, "a port");
  into = static_cast<std::uint16_t>(value);
}

void YamlFile::read(const char* key, std::chrono::nanoseconds& into) const {
  const auto node = find(key);
  if (!node.IsDefined()) return;
  try {
    into = base::parse_go_duration(scalar(key, node, "a duration"));
  } catch (const std::invalid_argument&) {
    fail(key, "a duration such as 30s");
  }
}

void YamlFile::read(const char* key, std::vector<std::string>& into) const {
  const auto node = find(key);
  if (!node.IsDefined()) return;
  into.clear();
  if (node.IsScalar()) {
    if (!node.Scalar().empty()) into.push_back(node.Scalar());
    return;
  }
  if (!node.IsSequence()) fail(key, "a list of texts");
  for (const auto& item : node) into.push_back(scalar(key, item, "a list of texts"));
}

void YamlFile::read_joined(const char* key, std::string& into) const {
  if (!has(key)) return;
  std::vector<std::string> parts;
  read(key, parts);
  into.clear();
  for (const auto& part : parts) {
    into += part;
    if (!into.ends_with('\n')) into += '\n';
  }
}

YamlFile YamlFile::section(const char* key) const {
  const auto node = find(key);
  if (node.IsDefined() && !node.IsMap()) fail(key, "a mapping");
  return YamlFile(file_, node.IsDefined() ? node : YAML::Node(YAML::NodeType::Map), prefix_ + key + ".");
}

std::vector<YamlFile> YamlFile::sections(const char* key) const {
  const auto node = find(key);
  std::vector<YamlFile> out;
  if (!node.IsDefined()) return out;
  if (!node.IsSequence()) fail(key, "a list of mappings");
  for (const auto& item : node) {
    if (!item.IsMap()) fail(key, "a list of mappings");
    out.push_back(YamlFile(file_, item, prefix_ + key + "."));
  }
  return out;
}

}  // namespace rivera::gorouter
