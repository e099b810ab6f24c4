#include "golden.h"

#include <fstream>
#include <map>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/bytes.h"
#include "base/testing/places.h"
#include "models/forms/json.h"
#include "models/forms/wire.h"

namespace rivera::conformance {
namespace {

namespace json = boost::json;

// Members that HEAD prints and v2.80.0 does not, if they are empty.
constexpr std::string_view kNewerMembers[] = {"OptionalRoutable",         "availability_zone",  "volume_mounted_files",
                                              "update_strategy",          "annotations",        "dedicated",
                                              "container_tls_proxy_port", "host_tls_proxy_port"};

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
      return value.get_uint64() == 0;
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
  std::ifstream file(base::source_dir() + "/tests/golden/" + file_name);
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

std::optional<RouteMessages> messages_of(std::string_view path) {
  static const std::map<std::string_view, RouteMessages> routes = {
      {"/v1/actual_lrps/claim", {"ClaimActualLRPRequest", "ActualLRPLifecycleResponse"}},
      {"/v1/actual_lrps/crash", {"CrashActualLRPRequest", "ActualLRPLifecycleResponse"}},
      {"/v1/actual_lrps/list", {"ActualLRPsRequest", "ActualLRPsResponse"}},
      {"/v1/actual_lrps/remove", {"RemoveActualLRPRequest", "ActualLRPLifecycleResponse"}},
      {"/v1/actual_lrps/start.r1", {"StartActualLRPRequest", "ActualLRPLifecycleResponse"}},
      {"/v1/cells/list.r1", {"TasksRequest", "CellsResponse"}},
      {"/v1/desired_lrp/desire.r2", {"DesireLRPRequest", "DesiredLRPLifecycleResponse"}},
      {"/v1/desired_lrp/remove", {"RemoveDesiredLRPRequest", "DesiredLRPLifecycleResponse"}},
      {"/v1/desired_lrp/update", {"UpdateDesiredLRPRequest", "DesiredLRPLifecycleResponse"}},
      {"/v1/desired_lrp_routing_infos/list", {"DesiredLRPsRequest", "DesiredLRPsResponse"}},
      {"/v1/desired_lrps/get_by_process_guid.r3", {"DesiredLRPByProcessGuidRequest", "DesiredLRPResponse"}},
      {"/v1/desired_lrps/list.r3", {"DesiredLRPsRequest", "DesiredLRPsResponse"}},
      {"/v1/domains/list", {"TasksRequest", "DomainsResponse"}},
      {"/v1/domains/upsert", {"UpsertDomainRequest", "UpsertDomainResponse"}},
      {"/v1/tasks/complete", {"CompleteTaskRequest", "TaskLifecycleResponse"}},
      {"/v1/tasks/delete", {"TaskGuidRequest", "TaskLifecycleResponse"}},
      {"/v1/tasks/desire.r2", {"DesireTaskRequest", "TaskLifecycleResponse"}},
      {"/v1/tasks/get_by_task_guid.r3", {"TaskByGuidRequest", "TaskResponse"}},
      {"/v1/tasks/list.r3", {"TasksRequest", "TasksResponse"}},
      {"/v1/tasks/resolving", {"TaskGuidRequest", "TaskLifecycleResponse"}},
      {"/v1/tasks/start", {"StartTaskRequest", "StartTaskResponse"}},
  };
  const auto route = routes.find(path);
  if (route == routes.end()) return std::nullopt;
  return route->second;
}

bool same_bytes_but_for_maps(const std::string& bytes, google::protobuf::Message& message) {
  const auto again = models::encode(message);
  if (again == bytes) return true;
  // Entries of maps come in any order: equal length and equal content are all that can be asked.
  std::unique_ptr<google::protobuf::Message> reread(message.New());
  return again.size() == bytes.size() && models::decode(again, *reread) &&
         models::to_json(*reread) == models::to_json(message);
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
