#include "garden/network/container_network.h"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>

namespace rivera::garden {

namespace api = clients::garden;
namespace json = boost::json;

namespace {

std::string join(const std::vector<std::string>& texts) {
  std::string joined;
  for (const auto& text : texts) joined += (joined.empty() ? "" : ", ") + text;
  return joined;
}

std::string base32(std::uint64_t value) {
  constexpr const char* kDigits = "0123456789abcdefghijklmnopqrstuv";
  std::string text(11, '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, value >>= 5) *digit = kDigits[value & 31];
  return text;
}

}  // namespace

std::string bridge_name(const std::string& tag, const Subnet& subnet) {
  char hex[9];
  std::snprintf(hex, sizeof hex, "%08x", subnet.network);
  // An interface name has at most 15 characters.
  return "w" + tag + (tag.size() > 1 ? "brdg" : "brdg-") + hex;
}

ContainerRules ContainerNetwork::rules() const { return {id, handle, bridge, host_interface, mac, lease, net_out}; }

MappedPort ContainerNetwork::mapped(const api::PortMapping& port) const {
  return {port.host_port, lease.address, port.container_port};
}

ContainerNetwork plan_network(const Options& options, const std::string& handle, const Lease& lease,
                              std::uint64_t sequence) {
  ContainerNetwork network;
  network.id = base32(sequence);
  network.handle = handle;
  network.bridge = bridge_name(options.tag, lease.subnet);
  // The low digits of the sequence distinguish containers; a tag takes the place of the high ones.
  const std::string stem = "w" + options.tag + network.id.substr(options.tag.size());
  network.host_interface = stem + "-0";
  network.container_interface = stem + "-1";
  network.mac = to_text(mac_for(lease.address));
  network.lease = lease;
  return network;
}

api::Properties network_properties(const ContainerNetwork& network, const Options& options) {
  json::array ports;
  for (const auto& port : network.ports) {
    ports.push_back(json::object{{"HostPort", port.host_port}, {"ContainerPort", port.container_port}});
  }
  return {{"garden.network.container-ip", to_text(network.lease.address)},
          {"garden.network.host-ip", to_text(network.lease.subnet.gateway())},
          {"garden.network.external-ip", network.external_ip},
          {"garden.network.mapped-ports", json::serialize(ports)},
          {"kawasaki.host-interface", network.host_interface},
          {"kawasaki.container-interface", network.container_interface},
          {"kawasaki.bridge-interface", network.bridge},
          {"kawasaki.subnet", network.lease.subnet.text()},
          {"kawasaki.iptable-prefix", "w-" + options.tag + "-"},
          {"kawasaki.iptable-inst", network.id},
          {"kawasaki.mtu", std::to_string(network.mtu)},
          {"kawasaki.dns-servers", join(options.dns_servers)},
          {"kawasaki.host-entries", join(options.additional_host_entries)}};
}

json::object to_json(const ContainerNetwork& network) {
  json::array ports, rules;
  for (const auto& port : network.ports) ports.push_back(json::array{port.host_port, port.container_port});
  for (const auto& rule : network.net_out) rules.push_back(api::to_json(rule));
  return {{"id", network.id},
          {"handle", network.handle},
          {"bridge", network.bridge},
          {"host_interface", network.host_interface},
          {"container_interface", network.container_interface},
          {"mac", network.mac},
          {"subnet", network.lease.subnet.text()},
          {"address", to_text(network.lease.address)},
          {"external_ip", network.external_ip},
          {"mtu", network.mtu},
          {"ports", ports},
          {"net_out", rules}};
}

ContainerNetwork network_from_json(const json::object& object) {
  const auto text = [&object](const char* name) { return json::value_to<std::string>(object.at(name)); };
  ContainerNetwork network;
  network.id = text("id");
  network.handle = text("handle");
  network.bridge = text("bridge");
  network.host_interface = text("host_interface");
  network.container_interface = text("container_interface");
  if (object.contains("mac")) network.mac = text("mac");
  network.lease = {Subnet::parse(text("subnet")), parse_ipv4(text("address"))};
  network.external_ip = text("external_ip");
  network.mtu = object.at("mtu").to_number<std::uint32_t>();
  for (const auto& port : object.at("ports").as_array()) {
    network.ports.push_back(
        {port.as_array().at(0).to_number<std::uint32_t>(), port.as_array().at(1).to_number<std::uint32_t>()});
  }
  network.net_out = api::net_out_rules_from_json(object.at("net_out"));
  return network;
}

}  // namespace rivera::garden
