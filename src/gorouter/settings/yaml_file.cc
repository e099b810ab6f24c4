#include "gorouter/settings/yaml_file.h"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "base/config/config.h"
#include "base/files.h"

namespace rivera::gorouter {
namespace {

namespace json = boost::json;

constexpr int kDeepest = 32;

json::value to_value(const YAML::Node& node, int depth) {
  if (depth > kDeepest) throw std::runtime_error("it is nested too deeply");
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null:
      return nullptr;
    case YAML::NodeType::Scalar:
      return json::value(node.Scalar());
    case YAML::NodeType::Sequence: {
      json::array out;
      for (const auto& item : node) out.push_back(to_value(item, depth + 1));
      return out;
    }
    case YAML::NodeType::Map: {
      json::object out;
      for (const auto& member : node) out[member.first.Scalar()] = to_value(member.second, depth + 1);
      return out;
    }
  }
  return nullptr;
}

}  // namespace

json::object read_yaml_file(const std::string& path) {
  std::string text;
  try {
    text = base::read_file(path);
  } catch (const std::exception& e) {
    throw base::ConfigError(e.what());
  }
  json::value value;
  try {
    value = to_value(YAML::Load(text), 0);
  } catch (const std::exception& e) {
    throw base::ConfigError(fmt::format("{}: not valid YAML: {}", path, e.what()));
  }
  if (value.is_null()) return {};
  if (!value.is_object()) throw base::ConfigError(path + ": expected a YAML mapping");
  return std::move(value.get_object());
}

}  // namespace rivera::gorouter
