#include "garden/network/network_driver.h"

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <sstream>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

#include "base/files.h"

namespace rivera::garden {

namespace api = clients::garden;

namespace {

constexpr const char* kForwarding = "/proc/sys/net/ipv4/ip_forward";

void write_proc(const std::string& path, const std::string& value) {
  const base::UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file || ::write(file.get(), value.data(), value.size()) < 0) {
    throw std::system_error(errno, std::generic_category(), "write " + path);
  }
}

// The host neither has an IPv6 address on the interface nor takes an IPv6 packet from it: nothing filters those (§3.3).
// Without effect on a kernel without IPv6.
void disable_ipv6(const std::string& interface) {
  const std::string settings = "/proc/sys/net/ipv6/conf/" + interface;
  if (!std::filesystem::exists(settings)) return;
  write_proc(settings + "/accept_ra", "0");
  write_proc(settings + "/disable_ipv6", "1");
}

// The network namespace of the process behind `pidfd`.
base::UniqueFd open_network_namespace(int pidfd) {
  std::istringstream info(base::read_file("/proc/self/fdinfo/" + std::to_string(pidfd)));
  std::string word, pid;
  while (info >> word) {
    if (word == "Pid:") info >> pid;
  }
  base::UniqueFd fd(::open(("/proc/" + pid + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
  const int error = errno;
  pollfd ended{pidfd, POLLIN, 0};
  if (::poll(&ended, 1, 0) > 0) throw std::runtime_error("the container's first process has ended");
  if (!fd) throw std::system_error(error, std::generic_category(), "open network namespace");
  return fd;
}

}  // namespace

NetworkDriver::NetworkDriver(const Options& options, const Host& host)
    : firewall_options_{options.tag, options.allow_host_access, options.deny_networks, options.dns_servers},
      tag_(options.tag),
      saved_forwarding_path_(std::filesystem::path(options.run_dir).parent_path() / "garden-ip_forward"),
      external_ip_(options.external_ip.empty() ? host.external_ip : options.external_ip),
      mtu_(std::min<std::uint32_t>(options.mtu != 0 ? options.mtu : mtu_of_address(external_ip_), 1500)),
      nftables_(std::make_unique<Nftables>()) {}

NetworkDriver::~NetworkDriver() = default;

void NetworkDriver::start(const std::vector<ContainerNetwork>& containers) {
  const std::string forwarding = base::read_file(kForwarding);
  if (forwarding.rfind("1", 0) != 0) {
    base::write_file_atomically(saved_forwarding_path_, forwarding);
    write_proc(kForwarding, "1");
  }
  std::vector<ContainerRules> rules;
  for (const auto& container : containers) {
    rules.push_back(container.rules());
    // An earlier server may have left it on.
    disable_ipv6(container.bridge);
    disable_ipv6(container.host_interface);
  }
  nftables_->run(table_commands(firewall_options_, rules));
}

void NetworkDriver::connect(const ContainerNetwork& network, int pidfd) {
  const auto container_namespace = open_network_namespace(pidfd);
  Netlink host;
  host.create_bridge(network.bridge);
  disable_ipv6(network.bridge);
  host.add_address(network.bridge, network.lease.subnet.gateway(), network.lease.subnet.prefix);
  host.set_up(network.bridge, 0);
  // Replies to the host's own connections through 127.0.0.1 come back over the bridge.
  write_proc("/proc/sys/net/ipv4/conf/" + network.bridge + "/route_localnet", "1");
  host.create_veth(network.host_interface, network.container_interface, container_namespace.get());
  disable_ipv6(network.host_interface);
  host.set_master(network.host_interface, network.bridge);
  // A container that calls its own mapped port: with the kernel's br_netfilter such a packet is not routed but bridged,
  // back through the port it came from.
  host.set_hairpin(network.host_interface);
  // The rules are in place before the first packet can come.
  nftables_->run(add_commands(firewall_options_, network.rules()));
  Netlink inside = Netlink::in_namespace_of(pidfd);
  inside.add_address(network.container_interface, network.lease.address, network.lease.subnet.prefix);
  inside.set_up(network.container_interface, network.mtu);
  inside.set_up("lo", 0);
  host.set_up(network.host_interface, network.mtu);
  inside.add_default_route(network.lease.subnet.gateway());
}

void NetworkDriver::disconnect(const ContainerNetwork& network, bool is_last_in_subnet) {
  Netlink host;
  host.delete_link(network.host_interface);
  if (is_last_in_subnet) host.delete_link(network.bridge);
  try {
    nftables_->run(remove_commands(firewall_options_, network.rules(), is_last_in_subnet));
  } catch (const std::runtime_error&) {
    // Part of it is missing, and a transaction does all or nothing: remove what is there one by one.
    std::istringstream commands(remove_commands(firewall_options_, network.rules(), is_last_in_subnet));
    for (std::string command; std::getline(commands, command);) {
      try {
        nftables_->run(command);
      } catch (const std::runtime_error&) {
        continue;
      }
    }
  }
}

void NetworkDriver::add_port(const ContainerNetwork& network, const api::PortMapping& port) {
  nftables_->run(port_commands(firewall_options_, network.rules(), port));
}

void NetworkDriver::remove_port(const ContainerNetwork& network, const api::PortMapping& port) {
  nftables_->run(remove_port_commands(firewall_options_, network.rules(), port));
}

void NetworkDriver::apply_net_out(const ContainerNetwork& network) {
  nftables_->run(net_out_commands(firewall_options_, network.rules()));
}

void NetworkDriver::remove_everything(const Subnet& pool) {
  Netlink host;
  for (const auto& name : interface_names()) {
    const std::string prefix = bridge_name(tag_, Subnet{}).substr(0, bridge_name(tag_, Subnet{}).size() - 8);
    if (name.rfind(prefix, 0) != 0 || name.size() != prefix.size() + 8) continue;
    const auto network = static_cast<Ipv4>(std::strtoul(name.c_str() + prefix.size(), nullptr, 16));
    if (pool.contains(network)) host.delete_link(name);
  }
  const std::string table = table_name(firewall_options_);
  nftables_->run("add table ip " + table + "\ndelete table ip " + table + "\n");
  // Other gardens need it: the last one restores what the first one found.
  if (nftables_->run("list tables ip").find(" rivera_garden") != std::string::npos) return;
  if (!std::filesystem::exists(saved_forwarding_path_)) return;
  write_proc(kForwarding, base::read_file(saved_forwarding_path_));
  std::filesystem::remove(saved_forwarding_path_);
}

}  // namespace rivera::garden
