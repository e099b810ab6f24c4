#include "golden.h"

#include <fstream>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/bytes.h"

namespace rivera::conformance {
namespace {

namespace json = boost::json;

// Members of HEAD only, all of which are empty in what v2.80.0 sent.
constexpr std::string_view kNewerMembers[] = {"OptionalRoutable", "availability_zone", "volume_mounted_files",
                                              "update_strategy",  "annotations",       "dedicated"};

bool is_empty(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return true;
    case json::kind::bool_:
      return !value.get_bool();
    case json::kind::int64:
      return value.get_int64() == 0;
    case json::kind::string:
      return value.get_string().empty();
    case json::kind::array:
      return value.get_array().empty();
    case json::kind::object:
      return value.get_object().empty();
    case json::kind::uint64:
    case json::kind::double_:
      return false;
  }
  return false;
}

bool is_newer(std::string_view name) {
  return std::find(std::begin(kNewerMembers), std::end(kNewerMembers), name) != std::end(kNewerMembers);
}

// Linking takes from a library only what is named: one message of each file brings in all of it.
void link_every_file() {
  google::protobuf::LinkMessageReflection<models::Action>();
  google::protobuf::LinkMessageReflection<models::ActualLRPLifecycleResponse>();
  google::protobuf::LinkMessageReflection<models::CellPresence>();
  google::protobuf::LinkMessageReflection<models::DesiredLRPLifecycleResponse>();
  google::protobuf::LinkMessageReflection<models::DomainsResponse>();
  google::protobuf::LinkMessageReflection<models::EvacuationResponse>();
  google::protobuf::LinkMessageReflection<models::EventsByCellId>();
  google::protobuf::LinkMessageReflection<models::PingResponse>();
  google::protobuf::LinkMessageReflection<models::TaskLifecycleResponse>();
}

}  // namespace

std::vector<json::object> golden_lines(const std::string& file_name) {
  std::ifstream file(std::string(RIVERA_SOURCE_DIR) + "/tests/golden/" + file_name);
  if (!file) throw std::runtime_error("cannot read tests/golden/" + file_name);
  json::parse_options options;
  options.max_depth = 256;
  std::vector<json::object> lines;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) lines.push_back(json::parse(line, {}, options).as_object());
  }
  return lines;
}

std::unique_ptr<google::protobuf::Message> new_message(std::string_view upstream_name) {
  link_every_file();
  const auto dot = upstream_name.rfind('.');
  const auto name = "rivera.models." + std::string(upstream_name.substr(dot == std::string_view::npos ? 0 : dot + 1));
  const auto* type = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(name);
  if (type == nullptr) throw std::runtime_error("no message " + name);
  const auto* prototype = google::protobuf::MessageFactory::generated_factory()->GetPrototype(type);
  return std::unique_ptr<google::protobuf::Message>(prototype->New());
}

json::value without_newer_members(const json::value& ours, const json::value& recorded) {
  if (ours.is_array() && recorded.is_array() && ours.get_array().size() == recorded.get_array().size()) {
    json::array result;
    for (std::size_t i = 0; i < ours.get_array().size(); ++i) {
      result.push_back(without_newer_members(ours.get_array()[i], recorded.get_array()[i]));
    }
    return result;
  }
  if (!ours.is_object() || !recorded.is_object()) return ours;
  json::object result;
  for (const auto& member : ours.get_object()) {
    const auto* counterpart = recorded.get_object().if_contains(member.key());
    if (counterpart == nullptr && is_newer(member.key()) && is_empty(member.value())) continue;
    result[member.key()] =
        counterpart == nullptr ? member.value() : without_newer_members(member.value(), *counterpart);
  }
  return result;
}

std::string body_of(const json::value& recorded) {
  if (!recorded.is_object()) return "";
  if (const auto* text = recorded.get_object().if_contains("text")) return std::string(text->as_string());
  if (const auto* hex = recorded.get_object().if_contains("hex")) {
    return base::from_hex(std::string_view(hex->as_string()));
  }
  return "";
}

}  // namespace rivera::conformance
