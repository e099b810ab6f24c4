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
                            {"parts", parts}};
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
    record.properties = api::properties_from_json(object.at("properties"));
    const api::ContainerSpec spec = api::container_spec_from_json(object.at("spec"));
    record.env = spec.env;
    record.limits = spec.limits;
    record.privileged = object.at("privileged").as_bool();
    record.grace_time_ns = object.at("grace_time_ns").to_number<std::int64_t>();
    record.created_at_ns = object.at("created_at_ns").to_number<std::int64_t>();
    record.parts = object.at("parts").as_object();
    return record;
  } catch (const std::exception& e) {
    throw std::runtime_error(std::string("not a container's record: ") + e.what());
  }
}

std::string Container::property(const std::string& key) const {
  const auto found = record.properties.find(key);
  return found == record.properties.end() ? "" : found->second;
}

void check_name(const std::string& what, const std::string& name) {
  const bool is_path = name.find('/') != std::string::npos || name.find('\0') != std::string::npos;
  if (name.empty() || name[0] == '.' || is_path || name.size() > 255)
    throw api::GardenError("invalid " + what + ": " + name);
}

}  // namespace rivera::garden
