#include "garden/plugins/plugin_network_part.h"

#include <fcntl.h>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "garden/network/bind_files.h"
#include "garden/network/netlink.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace json = boost::json;

namespace {

constexpr const char* kContainerIp = "garden.network.container-ip";
constexpr const char* kExternalIp = "garden.network.external-ip";
constexpr const char* kMappedPorts = "garden.network.mapped-ports";

[[noreturn]] void fail_to_unmarshal(const std::string& what) {
  throw api::GardenError("unmarshaling result from external networker: " + what);
}

// The properties of a container that concern the plugin.
json::object plugin_properties(const api::Properties& properties) {
  constexpr std::string_view kPrefix = "network.";
  json::object chosen;
  for (const auto& [key, value] : properties) {
    if (key.starts_with(kPrefix)) chosen[key.substr(kPrefix.size())] = value;
    if (key == "log_config") chosen[key] = value;
  }
  return chosen;
}

json::array rules_json(const std::vector<api::NetOutRule>& rules) {
  json::array list;
  for (const auto& rule : rules) list.push_back(api::to_json(rule));
  return list;
}

json::object up_input(const Container& container, const api::ContainerSpec& spec) {
  json::object input;
  input["Pid"] = container.init_pid;
  input["Properties"] = plugin_properties(spec.properties);
  if (!spec.netout_rules.empty()) input["netout_rules"] = rules_json(spec.netout_rules);
  json::array ports;
  for (const auto& port : spec.netin) {
    ports.push_back(json::object{{"host_port", port.host_port}, {"container_port", port.container_port}});
  }
  if (!ports.empty()) input["netin"] = std::move(ports);
  return input;
}

std::optional<std::vector<std::string>> texts_of(const json::value& answer, const char* name) {
  const auto* list = api::find_member(answer, name);
  if (list == nullptr) return std::nullopt;
  if (!list->is_array()) fail_to_unmarshal(std::string(name) + " is no list");
  std::vector<std::string> texts;
  for (const auto& item : list->get_array()) {
    if (!item.is_string()) fail_to_unmarshal(std::string(name) + " holds no texts");
    texts.emplace_back(item.get_string());
  }
  return texts;
}

std::uint32_t port_of(const json::value& answer, const char* name) {
  const auto* port = api::find_member(answer, name);
  if (port == nullptr) return 0;
  boost::system::error_code ec;
  const auto number = port->to_number<std::uint32_t>(ec);
  if (ec) fail_to_unmarshal(std::string(name) + " is no port");
  return number;
}

std::vector<api::PortMapping> mapped_ports(const std::string& property) {
  std::vector<api::PortMapping> ports;
  boost::system::error_code ec;
  const json::value list = json::parse(property, ec);
  if (ec || !list.is_array()) return ports;
  for (const auto& item : list.get_array())
    ports.push_back({port_of(item, "HostPort"), port_of(item, "ContainerPort")});
  return ports;
}

std::string container_ip(const Container& container) {
  std::string ip = container.property(kContainerIp);
  if (ip.empty()) throw api::GardenError("cannot find container [" + container.record.handle + "]\n");
  return ip;
}

}  // namespace

PluginNetworkPart::PluginNetworkPart(const Context& context)
    : context_(context),
      plugin_(context.options.network_plugin, context.options.network_plugin_extra_args, context.logger),
      external_ip_(context.options.external_ip.empty() ? context.host.external_ip : context.options.external_ip) {}

asio::awaitable<json::value> PluginNetworkPart::call(std::string action, std::string handle, json::value input) {
  auto run = [this, action, handle, input] { return plugin_.run(action, handle, input); };
  json::value answer = co_await threads_.run(std::move(run));
  co_return answer;
}

// The names are known once the plugin has given an address.
asio::awaitable<void> PluginNetworkPart::prepare(Container& container, const api::ContainerSpec&, BundleInput& bundle) {
  const BindFiles files(container);
  auto create = [files, mapping = container.mapping] {
    create_bind_file(files.hosts, "", mapping);
    create_bind_file(files.resolv_conf, "", mapping);
  };
  co_await context_.on_worker(std::move(create));
  files.add_to(bundle);
}

// A process with an image of its own is on its container's network: the names are the same.
asio::awaitable<void> PluginNetworkPart::prepare_pea(Container& container, Pea&, const api::ProcessSpec&,
                                                     BundleInput& bundle) {
  BindFiles(container).add_to(bundle);
  co_return;
}

asio::awaitable<void> PluginNetworkPart::started(Container& container, const api::ContainerSpec& spec) {
  auto& properties = container.record.properties;
  properties[kExternalIp] = external_ip_;
  const json::value answer = co_await call("up", container.record.handle, up_input(container, spec));
  if (const auto* given = api::find_member(answer, "properties")) {
    if (!given->is_object()) fail_to_unmarshal("properties is no object");
    for (const auto& member : given->get_object()) {
      if (!member.value().is_string()) fail_to_unmarshal("a property is no text");
      properties[std::string(member.key())] = std::string(member.value().get_string());
    }
  }
  if (!container.property(kContainerIp).empty()) co_await write_names(container, answer);
}

asio::awaitable<void> PluginNetworkPart::write_names(Container& container, const json::value& answer) {
  PluginResolver resolver{texts_of(answer, "dns_servers"), texts_of(answer, "search_domains")};
  auto write = [this, files = BindFiles(container), handle = container.record.handle,
                ip = container.property(kContainerIp), resolver = std::move(resolver)] {
    const auto resolv_conf = resolv_conf_file(context_.options, read_host_resolver(), ip, resolver);
    fill_bind_file(files.hosts, hosts_file(handle, ip, {}));
    fill_bind_file(files.resolv_conf, resolv_conf.text);
    return resolv_conf.problem;
  };
  const std::string problem = co_await context_.on_worker(std::move(write));
  if (problem.empty() || has_warned_of_names_) co_return;
  has_warned_of_names_ = true;
  context_.logger.error("network.no-name-server", {{"problem", problem}});
}

asio::awaitable<void> PluginNetworkPart::cleanup(Container& container) {
  co_await call("down", container.record.handle, nullptr);
}

asio::awaitable<void> PluginNetworkPart::add_info(Container& container, api::ContainerInfo& info) {
  info.host_ip = container.property("garden.network.host-ip");
  info.container_ip = container.property(kContainerIp);
  info.container_ipv6 = container.property("garden.network.container-ipv6");
  info.external_ip = container.property(kExternalIp);
  info.mapped_ports = mapped_ports(container.property(kMappedPorts));
  co_return;
}

asio::awaitable<void> PluginNetworkPart::add_metrics(Container& container, api::ContainerMetrics& metrics) {
  const std::string interface = container.property("garden.network.interface");
  const bool counts = context_.options.enable_container_network_metrics && !interface.empty() && container.init &&
                      container.property("network.healthcheck") != "true";
  if (!counts) co_return;
  // A copy: the container may be destroyed meanwhile.
  const auto init = std::make_shared<base::UniqueFd>(::fcntl(container.init.get(), F_DUPFD_CLOEXEC, 0));
  auto read = [interface, init] { return statistics_in_namespace_of(init->get(), interface); };
  const auto bytes = co_await context_.on_worker(std::move(read));
  if (bytes) metrics.network = api::NetworkStat{bytes->received, bytes->sent};
}

asio::awaitable<api::PortMapping> PluginNetworkPart::net_in(Container& container, api::NetIn wanted) {
  json::object input;
  input["HostIP"] = external_ip_;
  input["HostPort"] = wanted.host_port;
  input["ContainerIP"] = container_ip(container);
  input["ContainerPort"] = wanted.container_port;
  const json::value answer = co_await call("net-in", container.record.handle, std::move(input));
  const api::PortMapping port{port_of(answer, "host_port"), port_of(answer, "container_port")};
  auto ports = mapped_ports(container.property(kMappedPorts));
  ports.push_back(port);
  json::array list;
  for (const auto& each : ports) {
    list.push_back(json::object{{"HostPort", each.host_port}, {"ContainerPort", each.container_port}});
  }
  container.record.properties[kMappedPorts] = json::serialize(list);
  container.has_unsaved_changes = true;
  co_return port;
}

asio::awaitable<void> PluginNetworkPart::net_out(Container& container, std::vector<api::NetOutRule> rules,
                                                 NetOutCall of) {
  const bool is_one = of == NetOutCall::kOne && rules.size() == 1;
  json::object input;
  input["container_ip"] = container_ip(container);
  if (is_one) {
    input["netout_rule"] = api::to_json(rules[0]);
  } else {
    input["netout_rules"] = rules_json(rules);
  }
  std::string action = is_one ? "net-out" : "bulk-net-out";
  co_await call(std::move(action), container.record.handle, std::move(input));
}

}  // namespace rivera::garden
