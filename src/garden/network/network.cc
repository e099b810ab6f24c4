#include "garden/network/network.h"

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <sstream>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/files.h"
#include "garden/runtime/bundle.h"

namespace rivera::garden {

namespace api = clients::garden;

namespace {

constexpr const char* kForwarding = "/proc/sys/net/ipv4/ip_forward";

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

std::string bridge_name(const std::string& tag, const Subnet& subnet) {
  char hex[9];
  std::snprintf(hex, sizeof hex, "%08x", subnet.network);
  // An interface name has at most 15 characters.
  return "w" + tag + (tag.size() > 1 ? "brdg" : "brdg-") + hex;
}

void write_proc(const std::string& path, const std::string& value) {
  const base::UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file || ::write(file.get(), value.data(), value.size()) < 0) {
    throw std::system_error(errno, std::generic_category(), "write " + path);
  }
}

// The pid behind a pidfd, and a descriptor of its network namespace that is surely that process's.
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

ContainerRules ContainerNetwork::rules() const { return {id, handle, bridge, lease, ports, net_out}; }

ContainerNetwork plan_network(const Options& options, const std::string& handle, const Lease& lease,
                              std::uint64_t sequence) {
  ContainerNetwork network;
  network.id = base32(sequence);
  network.handle = handle;
  network.bridge = bridge_name(options.tag, lease.subnet);
  // The low digits of the sequence tell containers apart; a tag takes the place of the high ones.
  const std::string stem = "w" + options.tag + network.id.substr(options.tag.size());
  network.host_interface = stem + "-0";
  network.container_interface = stem + "-1";
  network.lease = lease;
  return network;
}

std::string hosts_file(const Options& options, const std::string& handle, Ipv4 address) {
  std::string text = "127.0.0.1 localhost\n" + to_text(address) + " " + host_name_of(handle) + "\n";
  for (const auto& entry : options.additional_host_entries) text += entry + "\n";
  return text;
}

std::string resolv_conf_file(const Options& options, const std::string& host_resolv_conf, Ipv4 bridge) {
  std::string text;
  const auto add_servers = [&text](const std::vector<std::string>& servers) {
    for (const auto& server : servers) text += "nameserver " + server + "\n";
  };
  if (!options.dns_servers.empty()) {
    add_servers(options.dns_servers);
    add_servers(options.additional_dns_servers);
    return text;
  }
  std::vector<std::string> lines;
  std::istringstream stream(host_resolv_conf);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  const auto is_local_server = [](const std::string& line) {
    return line.rfind("nameserver", 0) == 0 && line.find(" 127.") != std::string::npos;
  };
  if (lines.size() == 1 && is_local_server(lines[0])) {
    text = "nameserver " + to_text(bridge) + "\n";
  } else {
    for (const auto& line : lines) {
      if (!is_local_server(line)) text += line + "\n";
    }
  }
  add_servers(options.additional_dns_servers);
  return text;
}

api::Properties network_properties(const ContainerNetwork& network, const Options& options) {
  boost::json::array ports;
  for (const auto& port : network.ports) {
    ports.push_back(boost::json::object{{"HostPort", port.host_port}, {"ContainerPort", port.container_port}});
  }
  return {{"garden.network.container-ip", to_text(network.lease.address)},
          {"garden.network.host-ip", to_text(network.lease.subnet.gateway())},
          {"garden.network.external-ip", network.external_ip},
          {"garden.network.mapped-ports", boost::json::serialize(ports)},
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

NetworkDriver::NetworkDriver(const Options& options, const Host& host)
    : firewall_options_{options.tag, options.allow_host_access, options.deny_networks, options.dns_servers},
      tag_(options.tag),
      saved_forwarding_path_(options.run_dir + "/ip_forward"),
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
  for (const auto& container : containers) rules.push_back(container.rules());
  nftables_->run(table_commands(firewall_options_, rules));
}

void NetworkDriver::connect(const ContainerNetwork& network, int pidfd) {
  const auto container_namespace = open_network_namespace(pidfd);
  Netlink host;
  host.create_bridge(network.bridge);
  host.add_address(network.bridge, network.lease.subnet.gateway(), network.lease.subnet.prefix);
  host.set_up(network.bridge, 0);
  // Replies of the host's own connections through 127.0.0.1 come back over the bridge.
  write_proc("/proc/sys/net/ipv4/conf/" + network.bridge + "/route_localnet", "1");
  host.create_veth(network.host_interface, network.container_interface, container_namespace.get());
  host.set_master(network.host_interface, network.bridge);
  // A container that calls its own mapped port: with the kernel's br_netfilter such a packet is not routed but bridged,
  // back through the port it came from.
  host.set_hairpin(network.host_interface);
  // The rules stand before a packet can come.
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
    // Part of it was missing, and a transaction does all or nothing: what is there goes piece by piece.
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

void NetworkDriver::apply_net_out(const ContainerNetwork& network) {
  nftables_->run(net_out_commands(firewall_options_, network.rules()));
}

void NetworkDriver::stop_for_good(const Subnet& pool) {
  Netlink host;
  for (const auto& name : interface_names()) {
    const std::string prefix = bridge_name(tag_, Subnet{}).substr(0, bridge_name(tag_, Subnet{}).size() - 8);
    if (name.rfind(prefix, 0) != 0 || name.size() != prefix.size() + 8) continue;
    const auto network = static_cast<Ipv4>(std::strtoul(name.c_str() + prefix.size(), nullptr, 16));
    if (pool.contains(network)) host.delete_link(name);
  }
  const std::string table = table_name(firewall_options_);
  nftables_->run("add table ip " + table + "\ndelete table ip " + table + "\n");
  if (!std::filesystem::exists(saved_forwarding_path_)) return;
  write_proc(kForwarding, base::read_file(saved_forwarding_path_));
  std::filesystem::remove(saved_forwarding_path_);
}

}  // namespace rivera::garden
