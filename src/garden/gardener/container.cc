#include "garden/gardener/container.h"

#include <algorithm>
#include <stdexcept>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>

namespace rivera::garden {

namespace json = boost::json;
namespace api = clients::garden;

namespace {

json::object to_json(const ContainerNetwork& network) {
  json::array ports, rules;
  for (const auto& port : network.ports) ports.push_back(json::array{port.host_port, port.container_port});
  for (const auto& rule : network.net_out) rules.push_back(api::to_json(rule));
  return {{"id", network.id},
          {"handle", network.handle},
          {"bridge", network.bridge},
          {"host_interface", network.host_interface},
          {"container_interface", network.container_interface},
          {"subnet", network.lease.subnet.text()},
          {"address", to_text(network.lease.address)},
          {"external_ip", network.external_ip},
          {"mtu", network.mtu},
          {"ports", ports},
          {"net_out", rules}};
}

std::string text_of(const json::object& object, const char* name) {
  return json::value_to<std::string>(object.at(name));
}

ContainerNetwork network_from_json(const json::object& object) {
  ContainerNetwork network;
  network.id = text_of(object, "id");
  network.handle = text_of(object, "handle");
  network.bridge = text_of(object, "bridge");
  network.host_interface = text_of(object, "host_interface");
  network.container_interface = text_of(object, "container_interface");
  network.lease = {Subnet::parse(text_of(object, "subnet")), parse_ipv4(text_of(object, "address"))};
  network.external_ip = text_of(object, "external_ip");
  network.mtu = object.at("mtu").to_number<std::uint32_t>();
  for (const auto& port : object.at("ports").as_array()) {
    network.ports.push_back(
        {port.as_array().at(0).to_number<std::uint32_t>(), port.as_array().at(1).to_number<std::uint32_t>()});
  }
  network.net_out = api::net_out_rules_from_json(object.at("net_out"));
  return network;
}

}  // namespace

std::string ContainerRecord::to_json() const {
  json::object cgroups;
  for (const auto& [controller, path] : cgroup_paths) cgroups[controller] = path;
  // Environment and limits in the form they came in.
  api::ContainerSpec spec;
  spec.env = env;
  spec.limits = limits;
  json::object object{{"version", 1},
                      {"handle", handle},
                      {"properties", api::to_json(properties)},
                      {"spec", api::to_json(spec)},
                      {"privileged", privileged},
                      {"grace_time_ns", grace_time_ns},
                      {"created_at_ns", created_at_ns},
                      {"image", {{"root", image.root}, {"id", image.id}, {"size", image.size}}},
                      {"runtime_id", runtime_id},
                      {"init_pid", init_pid},
                      {"init_start_time", init_start_time},
                      {"boot_id", boot_id},
                      {"cgroups", cgroups},
                      {"oom_kills", oom_kills}};
  if (network) object["network"] = garden::to_json(*network);
  return json::serialize(object) + "\n";
}

ContainerRecord ContainerRecord::from_json(const std::string& text) {
  try {
    const json::object object = json::parse(text).as_object();
    ContainerRecord record;
    record.handle = text_of(object, "handle");
    record.properties = api::properties_from_json(object.at("properties"));
    const api::ContainerSpec spec = api::container_spec_from_json(object.at("spec"));
    record.env = spec.env;
    record.limits = spec.limits;
    record.privileged = object.at("privileged").as_bool();
    record.grace_time_ns = object.at("grace_time_ns").to_number<std::int64_t>();
    record.created_at_ns = object.at("created_at_ns").to_number<std::int64_t>();
    const auto& image = object.at("image").as_object();
    record.image = {text_of(image, "root"), text_of(image, "id"), image.at("size").to_number<std::uint64_t>()};
    record.runtime_id = text_of(object, "runtime_id");
    record.init_pid = object.at("init_pid").to_number<std::int64_t>();
    record.init_start_time = object.at("init_start_time").to_number<std::uint64_t>();
    record.boot_id = text_of(object, "boot_id");
    for (const auto& [controller, path] : object.at("cgroups").as_object()) {
      record.cgroup_paths[std::string(controller)] = json::value_to<std::string>(path);
    }
    record.oom_kills = object.at("oom_kills").to_number<std::uint64_t>();
    if (const auto* network = object.if_contains("network")) record.network = network_from_json(network->as_object());
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
