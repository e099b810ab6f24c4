#include "garden/container/container.h"

#include <stdexcept>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>

namespace rivera::garden {

namespace json = boost::json;
namespace api = clients::garden;

namespace {

const char* name_of(Operation operation) {
  switch (operation) {
    case Operation::kNone:
      return "none";
    case Operation::kCreate:
      return "create";
    case Operation::kDestroy:
      return "destroy";
  }
  return "";
}

Operation operation_from(const json::value& name) {
  for (const Operation operation : {Operation::kNone, Operation::kCreate, Operation::kDestroy}) {
    if (name.as_string() == name_of(operation)) return operation;
  }
  throw std::runtime_error("unknown operation");
}

// The first version had the parts' members at the top, and no operation: a container was complete once it had the
// property garden.state.
json::object from_version_1(json::object old) {
  const bool is_complete = old.at("properties").as_object().contains(kStateProperty);
  json::object parts;
  parts["images"] = old.at("image");
  parts["cgroups"] = json::object{{"paths", old.at("cgroups")}, {"oom_kills", old.at("oom_kills")}};
  parts["runtime"] = json::object{{"id", old.at("runtime_id")},
                                  {"pid", old.at("init_pid")},
                                  {"start_time", old.at("init_start_time")},
                                  {"boot_id", old.at("boot_id")}};
  if (const auto* network = old.if_contains("network")) parts["network"] = *network;
  old["operation"] = is_complete ? "none" : "create";
  old["begun"] = json::array{"user-namespace", "images", "cgroups", "network", "runtime"};
  old["parts"] = std::move(parts);
  return old;
}

json::object peas_to_json(const std::map<std::string, Pea>& peas) {
  json::object object;
  for (const auto& [id, pea] : peas) {
    json::object one{{"runtime_id", pea.runtime_id}, {"created_at_ns", pea.created_at_ns}};
    if (pea.limits) {
      api::ProcessSpec spec;
      spec.limits = pea.limits;
      one["spec"] = api::to_json(spec);
    }
    json::object paths;
    for (const auto& [controller, path] : pea.cgroups.paths()) paths[controller] = path;
    one["cgroups"] = std::move(paths);
    object[id] = std::move(one);
  }
  return object;
}

std::map<std::string, Pea> peas_from_json(const json::object& object) {
  std::map<std::string, Pea> peas;
  for (const auto& member : object) {
    const json::object& one = member.value().as_object();
    Pea pea;
    pea.id = member.key();
    pea.runtime_id = json::value_to<std::string>(one.at("runtime_id"));
    pea.created_at_ns = one.at("created_at_ns").to_number<std::int64_t>();
    if (const auto* spec = one.if_contains("spec")) pea.limits = api::process_spec_from_json(*spec).limits;
    pea.cgroups = Cgroups(json::value_to<std::map<std::string, std::string>>(one.at("cgroups")));
    peas[pea.id] = std::move(pea);
  }
  return peas;
}

}  // namespace

std::string ContainerRecord::to_json() const {
  // Environment and limits in the form they came in.
  api::ContainerSpec spec;
  spec.env = env;
  spec.limits = limits;
  const json::object object{{"version", 2},
                            {"handle", handle},
                            {"operation", name_of(operation)},
                            {"begun", json::array(begun.begin(), begun.end())},
                            {"properties", api::to_json(properties)},
                            {"spec", api::to_json(spec)},
                            {"privileged", privileged},
                            {"grace_time_ns", grace_time_ns},
                            {"created_at_ns", created_at_ns},
                            {"parts", parts},
                            {"peas", peas_to_json(peas)}};
  return json::serialize(object) + "\n";
}

ContainerRecord ContainerRecord::from_json(const std::string& text) {
  try {
    json::object object = json::parse(text).as_object();
    if (object.at("version") == 1) object = from_version_1(std::move(object));
    ContainerRecord record;
    record.handle = json::value_to<std::string>(object.at("handle"));
    record.operation = operation_from(object.at("operation"));
    record.begun = json::value_to<std::set<std::string>>(object.at("begun"));
    if (record.begun.contains("runtime")) record.begun.insert("shim");  // earlier servers took them for one
    record.properties = api::properties_from_json(object.at("properties"));
    const api::ContainerSpec spec = api::container_spec_from_json(object.at("spec"));
    record.env = spec.env;
    record.limits = spec.limits;
    record.privileged = object.at("privileged").as_bool();
    record.grace_time_ns = object.at("grace_time_ns").to_number<std::int64_t>();
    record.created_at_ns = object.at("created_at_ns").to_number<std::int64_t>();
    record.parts = object.at("parts").as_object();
    if (const auto* peas = object.if_contains("peas")) record.peas = peas_from_json(peas->as_object());
    return record;
  } catch (const std::exception& e) {
    throw std::runtime_error(std::string("not a container's record: ") + e.what());
  }
}

std::string Container::property(const std::string& key) const {
  const auto found = record.properties.find(key);
  return found == record.properties.end() ? "" : found->second;
}

namespace {

// Of either kind, C0 or C1; the name is printed in logs and by tools of operators.
bool has_control_character(const std::string& name) {
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto c = static_cast<unsigned char>(name[i]);
    if (c < 0x20 || c == 0x7f) return true;
    if (c == 0xc2 && i + 1 < name.size() && static_cast<unsigned char>(name[i + 1]) < 0xa0) return true;
  }
  return false;
}

}  // namespace

void check_name(const std::string& what, const std::string& name) {
  const bool is_path = name.find('/') != std::string::npos || name.find('\0') != std::string::npos;
  if (has_control_character(name)) throw api::GardenError("invalid " + what + ": it has control characters");
  if (name.empty() || name[0] == '.' || is_path || name.size() > 255)
    throw api::GardenError("invalid " + what + ": " + name);
}

}  // namespace rivera::garden
