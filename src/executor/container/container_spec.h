// Conversion of a container to the parameters of Garden. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "clients/garden/garden_types.h"
#include "executor/container/container.h"

namespace rivera::executor {

namespace garden = clients::garden;

// The settings of the cell that apply to every container.
struct ContainerSpecOptions {
  std::string owner = "executor";  // property executor:owner
  std::uint64_t inode_limit = 200'000;
  std::uint64_t max_cpu_shares = 1024;  // for a CPU weight of 100
  bool set_cpu_weight = false;          // use the memory limit as the CPU weight
  bool unproxied_port_mappings = true;
  bool container_proxy = false;  // a TLS proxy stands in front of each container that asks for one
};

inline constexpr const char* kOwnerProperty = "executor:owner";
inline constexpr const char* kLogConfigProperty = "log_config";

// The parameters of Garden's create call (docs/spec/cell.md §2.9). The caller prepares `mounts` and `more_env`;
// `rootfs_size` in bytes is added to the disk limit. Throws InvalidSecurityGroup, or std::invalid_argument for an
// invalid destination.
garden::ContainerSpec container_spec(const Container& container, const ContainerSpecOptions& options,
                                     std::vector<garden::BindMount> mounts, std::vector<std::string> more_env,
                                     std::uint64_t rootfs_size);

// The JSON text of the property log_config.
std::string log_config_property(const LogConfig& config);

// The ports without duplicates, in their order (§2.10).
std::vector<std::uint32_t> distinct_ports(const std::vector<std::uint32_t>& ports);

// A port of the TLS proxy, and the application's port that it leads to.
struct ProxyPort {
  std::uint32_t app_port = 0;
  std::uint32_t proxy_port = 0;

  bool operator==(const ProxyPort&) const = default;
};
inline constexpr std::uint32_t kFirstProxyPort = 61001;
inline constexpr std::uint32_t kC2cPort = 61443;  // for connections between containers; leads to port 8080

// The ports of the proxy for the application's ports, in their order. Throws std::invalid_argument if one of them is
// kC2cPort.
std::vector<ProxyPort> proxy_ports(const std::vector<std::uint32_t>& ports);

// The mapping of each port according to Garden: one for each of its ports of the proxy, or a plain one.
std::vector<PortMapping> port_mappings(const std::vector<std::uint32_t>& ports, const std::vector<ProxyPort>& proxies,
                                       const std::vector<garden::PortMapping>& mapped);

// One Garden rule for each destination of each rule (§2.11).
std::vector<garden::NetOutRule> net_out_rules(const std::vector<models::SecurityGroupRule>& rules);
// "10.0.0.1", "10.0.0.0/8" or "10.0.0.1-10.0.0.9" (and the same for IPv6). Throws std::invalid_argument "failed to
// convert destination to ip range".
garden::NetOutRule::IpRange ip_range(std::string_view destination);

// The CF_INSTANCE_* variables of every process (§2.12), as NAME=value.
std::vector<std::string> network_environment(const Container& container);

}  // namespace rivera::executor
