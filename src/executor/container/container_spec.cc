#include "executor/container/container_spec.h"

#include <algorithm>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/units.h"
#include "executor/container/errors.h"

namespace rivera::executor {
namespace {

constexpr std::uint32_t kC2cAppPort = 8080;

std::uint64_t mebibytes(std::int64_t megabytes) {
  return megabytes <= 0 ? 0 : static_cast<std::uint64_t>(megabytes) * base::kMebibyte;
}

garden::Limits limits_of(const Container& container, const ContainerSpecOptions& options, std::uint64_t rootfs_size) {
  garden::Limits limits;
  limits.memory.limit_in_bytes = mebibytes(container.resource.memory_mb);
  limits.disk.inode_hard = options.inode_limit;
  limits.disk.byte_hard = mebibytes(container.resource.disk_mb);
  if (limits.disk.byte_hard != 0) limits.disk.byte_hard += rootfs_size;
  limits.pid.max = static_cast<std::uint64_t>(std::max<std::int64_t>(container.resource.max_pids, 0));
  limits.cpu.limit_in_shares = options.max_cpu_shares * container.run_info.cpu_weight / 100;
  if (options.set_cpu_weight) {
    limits.cpu.weight = static_cast<std::uint64_t>(std::max<std::int64_t>(container.resource.memory_mb, 0));
  }
  return limits;
}

garden::Properties properties_of(const Container& container, const ContainerSpecOptions& options) {
  garden::Properties properties;
  for (const auto& [name, value] : container.run_info.network_properties) properties["network." + name] = value;
  properties[kOwnerProperty] = options.owner;
  properties[kLogConfigProperty] = log_config_property(container.run_info.log_config);
  return properties;
}

std::vector<std::string> environment_of(const RunInfo& info, std::vector<std::string> more) {
  std::vector<std::string> env;
  env.reserve(static_cast<std::size_t>(info.env.size()) + more.size());
  for (const auto& variable : info.env) env.push_back(variable.name() + "=" + variable.value());
  for (auto& variable : more) env.push_back(std::move(variable));
  return env;
}

}  // namespace

garden::ContainerSpec container_spec(const Container& container, const ContainerSpecOptions& options,
                                     std::vector<garden::BindMount> mounts, std::vector<std::string> more_env,
                                     std::uint64_t rootfs_size) {
  const auto& info = container.run_info;
  garden::ContainerSpec spec;
  spec.handle = container.guid;
  spec.privileged = info.privileged;
  spec.image = {.uri = info.rootfs, .username = info.image_username, .password = info.image_password};
  spec.env = environment_of(info, std::move(more_env));
  spec.bind_mounts = std::move(mounts);
  spec.limits = limits_of(container, options, rootfs_size);
  spec.properties = properties_of(container, options);
  if (options.unproxied_port_mappings) {
    for (const auto port : distinct_ports(info.ports)) spec.netin.push_back({.host_port = 0, .container_port = port});
  }
  if (options.container_proxy && info.enable_container_proxy) {
    for (const auto& port : proxy_ports(info.ports)) {
      if (port.proxy_port != kC2cPort) spec.netin.push_back({.host_port = 0, .container_port = port.proxy_port});
    }
  }
  spec.netout_rules = net_out_rules(info.egress_rules);
  return spec;
}

std::string log_config_property(const LogConfig& config) {
  boost::json::value tags(nullptr);
  if (!config.tags.empty()) {
    auto& object = tags.emplace_object();
    for (const auto& [name, value] : config.tags) object[name] = value;
  }
  return boost::json::serialize(boost::json::object{
      {"guid", config.guid}, {"index", config.index}, {"source_name", config.source_name}, {"tags", tags}});
}

std::vector<std::uint32_t> distinct_ports(const std::vector<std::uint32_t>& ports) {
  std::vector<std::uint32_t> distinct;
  for (const auto port : ports) {
    if (std::find(distinct.begin(), distinct.end(), port) == distinct.end()) distinct.push_back(port);
  }
  return distinct;
}

std::vector<ProxyPort> proxy_ports(const std::vector<std::uint32_t>& ports) {
  constexpr std::uint32_t kEnd = 65'534;
  const auto distinct = distinct_ports(ports);
  const auto is_taken = [&distinct](std::uint32_t port) {
    return port == kC2cPort || std::find(distinct.begin(), distinct.end(), port) != distinct.end();
  };
  std::vector<ProxyPort> proxies;
  auto next = kFirstProxyPort;
  for (const auto port : distinct) {
    if (port == kC2cPort) throw std::invalid_argument("port 61443 is reserved for container networking");
    while (is_taken(next)) ++next;
    if (next >= kEnd) throw std::invalid_argument("no port is left for the container proxy");
    proxies.push_back({.app_port = port, .proxy_port = next++});
    if (port == kC2cAppPort) proxies.push_back({.app_port = port, .proxy_port = kC2cPort});
  }
  return proxies;
}

std::vector<PortMapping> port_mappings(const std::vector<std::uint32_t>& ports, const std::vector<ProxyPort>& proxies,
                                       const std::vector<garden::PortMapping>& mapped) {
  const auto host_port = [&mapped](std::uint32_t port) {
    const auto found = std::find_if(mapped.begin(), mapped.end(),
                                    [port](const garden::PortMapping& m) { return m.container_port == port; });
    return found == mapped.end() ? 0 : found->host_port;
  };
  std::vector<PortMapping> mappings;
  for (const auto port : distinct_ports(ports)) {
    bool has_proxy = false;
    for (const auto& proxy : proxies) {
      if (proxy.app_port != port) continue;
      has_proxy = true;
      mappings.push_back({.container_port = port,
                          .host_port = host_port(port),
                          .container_tls_proxy_port = proxy.proxy_port,
                          .host_tls_proxy_port = host_port(proxy.proxy_port)});
    }
    if (!has_proxy) mappings.push_back({.container_port = port, .host_port = host_port(port)});
  }
  return mappings;
}

std::vector<std::string> network_environment(const Container& container) {
  std::vector<std::string> env = {"CF_INSTANCE_IP=" + container.external_ip,
                                  "CF_INSTANCE_INTERNAL_IP=" + container.internal_ip};
  if (!container.internal_ip_v6.empty()) env.push_back("CF_INSTANCE_INTERNAL_IPV6=" + container.internal_ip_v6);

  if (container.ports.empty()) {
    env.emplace_back("CF_INSTANCE_PORT=");
    env.emplace_back("CF_INSTANCE_ADDR=");
  } else if (const auto port = container.ports.front().host_port; port != 0) {
    env.push_back("CF_INSTANCE_PORT=" + std::to_string(port));
    env.push_back("CF_INSTANCE_ADDR=" + container.external_ip + ":" + std::to_string(port));
  }

  boost::json::array ports;
  for (const auto& mapping : container.ports) {
    boost::json::object entry;
    if (mapping.host_port != 0) entry["external"] = mapping.host_port;
    entry["internal"] = mapping.container_port;
    if (mapping.host_tls_proxy_port != 0) entry["external_tls_proxy"] = mapping.host_tls_proxy_port;
    if (mapping.container_tls_proxy_port != 0) entry["internal_tls_proxy"] = mapping.container_tls_proxy_port;
    ports.push_back(std::move(entry));
  }
  env.push_back("CF_INSTANCE_PORTS=" + boost::json::serialize(ports));
  return env;
}

}  // namespace rivera::executor
