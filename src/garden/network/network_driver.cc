#include "garden/network/network_driver.h"

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <set>
#include <sstream>
#include <system_error>
#include <unistd.h>

#include "garden/firewall/nftables.h"

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

// What an interface must be set to, by its file in /proc.
using Settings = std::vector<std::pair<std::string, std::string>>;

// The host neither has an IPv6 address on the interface nor takes an IPv6 packet from it: nothing filters those (§3.3).
Settings without_ipv6(const std::string& interface) {
  const std::string directory = "/proc/sys/net/ipv6/conf/" + interface;
  return {{directory + "/accept_ra", "0"}, {directory + "/disable_ipv6", "1"}};
}

Settings settings_of_bridge(const std::string& bridge) {
  Settings settings = without_ipv6(bridge);
  // Replies to the host's own connections through 127.0.0.1 come back over the bridge.
  settings.emplace_back("/proc/sys/net/ipv4/conf/" + bridge + "/route_localnet", "1");
  return settings;
}

// Writes those that are different, and returns whether there were any. What the kernel does not have (IPv6) is left
// out.
bool enforce(const Settings& settings) {
  bool has_changed = false;
  for (const auto& [file, value] : settings) {
    std::error_code ec;
    if (!std::filesystem::exists(file, ec) || base::read_file(file) == value + "\n") continue;
    write_proc(file, value);
    has_changed = true;
  }
  return has_changed;
}

// Sets them again. An interface that vanishes meanwhile is left to the next check.
bool has_changed_settings(const std::string& interface, const Settings& settings) {
  try {
    return enforce(settings);
  } catch (const std::system_error&) {
    if (interface_exists(interface)) throw;
    return false;
  }
}

bool has_ended(int pidfd) {
  pollfd process{pidfd, POLLIN, 0};
  return pidfd < 0 || ::poll(&process, 1, 0) > 0;
}

base::UniqueFd duplicate(int fd) { return base::UniqueFd(fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

// The network namespace of the process behind `pidfd`.
base::UniqueFd open_network_namespace(int pidfd) {
  std::istringstream info(base::read_file("/proc/self/fdinfo/" + std::to_string(pidfd)));
  std::string word, pid;
  while (info >> word) {
    if (word == "Pid:") info >> pid;
  }
  base::UniqueFd fd(::open(("/proc/" + pid + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
  const int error = errno;
  if (has_ended(pidfd)) throw std::runtime_error("the container's first process has ended");
  if (!fd) throw std::system_error(error, std::generic_category(), "open network namespace");
  return fd;
}

// Makes the bridge, or of one that is there what it has to be.
void make_bridge(Netlink& host, const ContainerNetwork& network) {
  // Of the same hardware address when it is made again: containers remember it.
  host.create_bridge(network.bridge, mac_for(network.lease.subnet.gateway()));
  enforce(settings_of_bridge(network.bridge));
  host.add_address(network.bridge, network.lease.subnet.gateway(), network.lease.subnet.prefix);
  host.set_up(network.bridge, 0);
}

MacAddress mac_of(const ContainerNetwork& network) {
  return network.mac.empty() ? mac_for(network.lease.address) : parse_mac(network.mac);
}

void attach_host_end(Netlink& host, const ContainerNetwork& network) {
  host.set_master(network.host_interface, network.bridge);
  // A container that calls its own mapped port: with the kernel's br_netfilter such a packet is not routed but bridged,
  // back through the port it came from.
  host.dedicate_port(network.host_interface, mac_of(network));
}

// The pair is not up yet: rules come first.
void make_pair(Netlink& host, const ContainerNetwork& network, int network_namespace) {
  // Of interfaces that are made from now on: the loopback keeps ::1.
  run_in_namespace_of(network_namespace, [] { enforce(without_ipv6("default")); });
  host.create_veth(network.host_interface, network.container_interface, mac_of(network), network_namespace);
  enforce(without_ipv6(network.host_interface));
  attach_host_end(host, network);
}

void open_pair(Netlink& host, const ContainerNetwork& network, int network_namespace) {
  Netlink inside = Netlink::in_namespace_of(network_namespace);
  inside.add_address(network.container_interface, network.lease.address, network.lease.subnet.prefix);
  inside.set_up(network.container_interface, network.mtu);
  inside.set_up("lo", 0);
  host.set_up(network.host_interface, network.mtu);
  inside.add_default_route(network.lease.subnet.gateway());
}

// What the container of an earlier server has, which did not choose it.
std::string find_mac(const ContainerNetwork& network, int init) {
  if (has_ended(init)) return "";
  for (const auto& link : Netlink::in_namespace_of(init).links()) {
    if (link.name == network.container_interface) return to_text(link.mac);
  }
  return "";
}

std::map<std::string, Netlink::Link> links_by_name(Netlink& host) {
  std::map<std::string, Netlink::Link> links;
  for (auto& link : host.links()) {
    const std::string name = link.name;
    links.emplace(name, std::move(link));
  }
  return links;
}

}  // namespace

NetworkDriver::NetworkDriver(const Options& options, const Host& host, base::Logger logger)
    : firewall_options_{options.tag, options.allow_host_access, options.deny_networks, options.dns_servers,
                        options.container_connection_limit},
      tag_(options.tag),
      saved_forwarding_path_(std::filesystem::path(options.run_dir).parent_path() / "garden-ip_forward"),
      external_ip_(options.external_ip.empty() ? host.external_ip : options.external_ip),
      mtu_(std::min<std::uint32_t>(options.mtu != 0 ? options.mtu : mtu_of_address(external_ip_), 1500)),
      logger_(std::move(logger)),
      nftables_(std::make_unique<Nftables>()) {}

NetworkDriver::~NetworkDriver() = default;

NetworkDriver::Connected& NetworkDriver::connected(const std::string& id) {
  const auto found = containers_.find(id);
  if (found == containers_.end()) throw api::GardenError("the container is not connected");
  return found->second;
}

void NetworkDriver::rebuild() {
  std::vector<ContainerRules> rules;
  rules.reserve(containers_.size());
  for (const auto& [id, container] : containers_) rules.push_back(container.network.rules());
  nftables_->run(table_commands(firewall_options_, rules, ports_.effective()));
}

// Our records hold the change already: if only part of the tables is there, or nothing, they are made with it.
void NetworkDriver::apply(const std::string& commands) {
  std::string reason;
  try {
    nftables_->run(commands);
    return;
  } catch (const std::runtime_error& e) {
    reason = e.what();
  }
  rebuild();
  logger_.error("firewall.restored", {{"table", table()}, {"reason", reason}});
}

std::string NetworkDriver::commands_for(const PortClaims::Change& change) const {
  std::string commands;
  if (change.removed) commands += remove_port_commands(firewall_options_, *change.removed);
  if (change.added) commands += port_commands(firewall_options_, *change.added);
  return commands;
}

void NetworkDriver::turn_on_forwarding() {
  const std::string forwarding = base::read_file(kForwarding);
  if (forwarding.starts_with('1')) return;
  if (!std::filesystem::exists(saved_forwarding_path_)) base::write_file_atomically(saved_forwarding_path_, forwarding);
  write_proc(kForwarding, "1");
  logger_.info("network.forwarding-turned-on");
}

void NetworkDriver::start(const std::vector<Found>& containers) {
  turn_on_forwarding();
  for (auto [network, init] : containers) {
    // An earlier server may have left it on.
    enforce(without_ipv6(network.bridge));
    enforce(without_ipv6(network.host_interface));
    if (network.mac.empty()) network.mac = find_mac(network, init);
    const std::string id = network.id;
    containers_[id] = {std::move(network), duplicate(init), true, ""};
  }
  // In the order in which they were created: of two with the same port the first has it.
  for (const auto& [id, container] : containers_) {
    for (const auto& port : container.network.ports) ports_.add(id, container.network.mapped(port));
  }
  rebuild();
  restore_devices();
}

void NetworkDriver::connect(const ContainerNetwork& network, int network_namespace) {
  containers_[network.id] = {network, base::UniqueFd(), false, ""};
  Netlink host;
  make_bridge(host, network);
  make_pair(host, network, network_namespace);
  // The rules are in place before the first packet can come.
  std::string commands = add_commands(firewall_options_, network.rules());
  for (const auto& port : network.ports) commands += commands_for(ports_.add(network.id, network.mapped(port)));
  apply(commands);
  open_pair(host, network, network_namespace);
}

void NetworkDriver::watch(const std::string& id, int pidfd) {
  const auto found = containers_.find(id);
  if (found == containers_.end()) return;
  found->second.init = duplicate(pidfd);
  found->second.is_complete = true;
}

void NetworkDriver::disconnect(const ContainerNetwork& network, bool bridge_too) {
  if (bridge_too && interface_exists(network.bridge)) Netlink().delete_link(network.bridge);
  const auto found = containers_.find(network.id);
  if (found == containers_.end()) return;
  std::string commands;
  for (const auto& change : ports_.remove_owner(network.id)) commands += commands_for(change);
  commands += remove_commands(firewall_options_, found->second.network.rules(), bridge_too);
  containers_.erase(found);
  apply(commands);
}

void NetworkDriver::add_port(const std::string& id, const api::PortMapping& port) {
  ContainerNetwork& network = connected(id).network;
  network.ports.push_back(port);
  try {
    const std::string commands = commands_for(ports_.add(id, network.mapped(port)));
    if (!commands.empty()) apply(commands);
  } catch (...) {
    ports_.remove(id, network.mapped(port));
    network.ports.pop_back();
    throw;
  }
}

void NetworkDriver::add_net_out(const std::string& id, const std::vector<api::NetOutRule>& rules) {
  ContainerNetwork& network = connected(id).network;
  const std::size_t before = network.net_out.size();
  network.net_out.insert(network.net_out.end(), rules.begin(), rules.end());
  try {
    const std::string commands = net_out_commands(firewall_options_, network.rules(), rules);
    if (!commands.empty()) apply(commands);
  } catch (...) {
    network.net_out.resize(before);
    throw;
  }
}

void NetworkDriver::restore_rules(const FirewallWatch::Change& cause) {
  const auto begin = std::chrono::steady_clock::now();
  rebuild();
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  logger_.error("firewall.restored",
                {{"table", table()},
                 {"reason", cause.has_lost_news ? "notifications of changes were lost" : "another process changed it"},
                 {"process", cause.process},
                 {"pid", cause.pid},
                 {"containers", containers_.size()},
                 {"milliseconds", took.count()}});
}

void NetworkDriver::restore_devices() {
  turn_on_forwarding();
  if (containers_.empty()) return;
  Netlink host;
  restore_bridges(host);
  const auto links = links_by_name(host);
  for (auto& [id, container] : containers_) {
    if (!container.is_complete || has_ended(container.init.get())) continue;
    try {
      restore_host_end(host, container, links);
      container.complaint.clear();
    } catch (const std::runtime_error& e) {
      if (container.complaint == e.what()) continue;
      container.complaint = e.what();
      logger_.error("network.restore-failed", {{"handle", container.network.handle}, {"error", e.what()}});
    }
  }
}

void NetworkDriver::restore_bridges(Netlink& host) {
  const auto links = links_by_name(host);
  const auto addresses = host.addresses();
  std::set<std::string> looked_at;
  for (auto& [id, container] : containers_) {
    const ContainerNetwork& network = container.network;
    if (!container.is_complete || has_ended(container.init.get()) || !looked_at.insert(network.bridge).second) continue;
    const auto link = links.find(network.bridge);
    const auto has_address = [&](const Netlink::Address& address) {
      return address.link == link->second.index && address.address == network.lease.subnet.gateway() &&
             address.prefix == network.lease.subnet.prefix;
    };
    const char* problem = nullptr;
    if (link == links.end()) {
      problem = "it was deleted";
    } else if (!link->second.is_up) {
      problem = "it was down";
    } else if (std::none_of(addresses.begin(), addresses.end(), has_address)) {
      problem = "its address was missing";
    }
    if (problem != nullptr) {
      make_bridge(host, network);
    } else if (has_changed_settings(network.bridge, settings_of_bridge(network.bridge))) {
      problem = "its settings were changed";
    }
    if (problem == nullptr) continue;
    logger_.error("network.bridge-restored", {{"bridge", network.bridge}, {"reason", problem}});
  }
}

void NetworkDriver::restore_host_end(Netlink& host, Connected& container,
                                     const std::map<std::string, Netlink::Link>& links) {
  const ContainerNetwork& network = container.network;
  const auto link = links.find(network.host_interface);
  const auto bridge = links.find(network.bridge);
  const char* problem = nullptr;
  if (link == links.end()) {
    problem = "it was deleted";
    const auto network_namespace = open_network_namespace(container.init.get());
    make_pair(host, network, network_namespace.get());
    open_pair(host, network, network_namespace.get());
  } else if (bridge != links.end() && link->second.master != bridge->second.index) {
    problem = "it was detached";
    attach_host_end(host, network);
    host.set_up(network.host_interface, network.mtu);
  } else if (!link->second.is_up) {
    problem = "it was down";
    host.set_up(network.host_interface, network.mtu);
  } else if (has_changed_settings(network.host_interface, without_ipv6(network.host_interface))) {
    problem = "its settings were changed";
  }
  if (problem == nullptr) return;
  logger_.error("network.host-end-restored",
                {{"handle", network.handle}, {"interface", network.host_interface}, {"reason", problem}});
}

void NetworkDriver::remove_everything(const Subnet& pool) {
  Netlink host;
  const std::string of_any_subnet = bridge_name(tag_, Subnet{});
  const std::string prefix = of_any_subnet.substr(0, of_any_subnet.size() - 8);
  for (const auto& [name, link] : links_by_name(host)) {
    if (name.rfind(prefix, 0) != 0 || name.size() != of_any_subnet.size()) continue;
    const auto network = static_cast<Ipv4>(std::strtoul(name.c_str() + prefix.size(), nullptr, 16));
    if (pool.contains(network)) host.delete_link(name);
  }
  nftables_->run(remove_table_commands(firewall_options_));
  // Other gardens need it: the last one restores what the first one found.
  if (nftables_->run("list tables ip").find(" rivera_garden") != std::string::npos) return;
  if (!std::filesystem::exists(saved_forwarding_path_)) return;
  write_proc(kForwarding, base::read_file(saved_forwarding_path_));
  std::filesystem::remove(saved_forwarding_path_);
}

}  // namespace rivera::garden
