#include "garden/network/network_part.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/parse.hpp>

#include "base/files.h"
#include "garden/network/name_files.h"

namespace rivera::garden {

namespace api = clients::garden;

namespace {

std::uint32_t read_port_offset(const std::string& path) {
  if (path.empty() || !std::filesystem::exists(path)) return 0;
  boost::system::error_code ec;
  const auto json = boost::json::parse(base::read_file(path), ec);
  const auto* offset = ec ? nullptr : api::find_member(json, "offset");
  return offset != nullptr && offset->is_int64() ? static_cast<std::uint32_t>(offset->get_int64()) : 0;
}

// A file that is bound into the container and that its root may write (§3.7).
void write_bind_source(const std::string& path, const std::string& content, const IdMapping& mapping) {
  base::write_file_atomically(path, content, 0644);
  if (::chown(path.c_str(), mapping.host_uid(0), mapping.host_gid(0)) != 0 || ::chmod(path.c_str(), 0644) != 0) {
    throw std::system_error(errno, std::generic_category(), "prepare " + path);
  }
}

std::string host_resolv_conf() {
  std::ifstream file("/etc/resolv.conf");
  return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

}  // namespace

NetworkPart::NetworkPart(const Context& context)
    : context_(context),
      driver_(context.options, context.host),
      subnets_(Subnet::parse(context.options.network_pool)),
      ports_(context.options.port_pool_start, context.options.port_pool_size,
             read_port_offset(context.options.port_pool_properties_path)),
      next_sequence_(static_cast<std::uint64_t>(
          std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count())) {}

ContainerNetwork& NetworkPart::network_of(Container& container) const {
  auto& state = container.state<State>();
  if (!state) throw api::GardenError("property not found: kawasaki.iptable-inst");
  return *state;
}

asio::awaitable<void> NetworkPart::start(const Containers& containers) {
  std::vector<ContainerNetwork> networks;
  for (const auto& [handle, container] : containers) {
    const auto* state = container->find_state<State>();
    // Without the rules of a network that is only reserved: cleanup() would not remove them.
    if (state != nullptr && *state && container->record.begun.contains(name())) networks.push_back(**state);
  }
  auto set_up = [this, networks] { driver_.start(networks); };
  co_await on_network_thread(std::move(set_up));
}

asio::awaitable<void> NetworkPart::stop() {
  const std::string& path = context_.options.port_pool_properties_path;
  if (path.empty()) co_return;
  auto write = [path, offset = ports_.offset()] {
    base::write_file_atomically(path, "{\"offset\":" + std::to_string(offset) + "}\n");
  };
  co_await context_.on_worker(std::move(write));
}

asio::awaitable<void> NetworkPart::remove_everything() {
  auto remove = [this] { driver_.remove_everything(Subnet::parse(context_.options.network_pool)); };
  co_await on_network_thread(std::move(remove));
}

asio::awaitable<void> NetworkPart::check(const api::ContainerSpec& spec) {
  for (const auto& rule : spec.netout_rules) check_rule(rule);
  co_return;
}

api::PortMapping NetworkPart::acquire_port(const api::NetIn& wanted) {
  api::PortMapping port{wanted.host_port, wanted.container_port};
  if (port.host_port == 0) {
    port.host_port = ports_.acquire();
  } else {
    ports_.take(port.host_port);
  }
  if (port.container_port == 0) port.container_port = port.host_port;
  return port;
}

void NetworkPart::reserve(Container& container, const api::ContainerSpec& spec) {
  const Lease lease = subnets_.acquire(spec.network);
  auto& network = container.state<State>();
  network = plan_network(context_.options, container.record.handle, lease, next_sequence_++);
  network->external_ip = driver_.external_ip();
  network->mtu = driver_.mtu();
  network->net_out = spec.netout_rules;
  // Each at once into the state, so that release() gives it back if a later one cannot be had.
  for (const auto& wanted : spec.netin) network->ports.push_back(acquire_port(wanted));
}

asio::awaitable<void> NetworkPart::prepare(Container& container, const api::ContainerSpec&, BundleInput& bundle) {
  const Lease lease = network_of(container).lease;
  const std::string hosts = container.directory + "/hosts", resolv_conf = container.directory + "/resolv.conf";
  auto write = [this, hosts, resolv_conf, lease, handle = container.record.handle, mapping = container.mapping] {
    write_bind_source(hosts, hosts_file(context_.options, handle, lease.address), mapping);
    write_bind_source(resolv_conf, resolv_conf_file(context_.options, host_resolv_conf(), lease.subnet.gateway()),
                      mapping);
  };
  co_await context_.on_worker(std::move(write));
  bundle.system_mounts.push_back({hosts, "/etc/hosts", true});
  bundle.system_mounts.push_back({resolv_conf, "/etc/resolv.conf", true});
}

// A process with an image of its own is on its container's network: the names are the same.
asio::awaitable<void> NetworkPart::prepare_pea(Container& container, Pea&, const api::ProcessSpec&,
                                               BundleInput& bundle) {
  bundle.system_mounts.push_back({container.directory + "/hosts", "/etc/hosts", true});
  bundle.system_mounts.push_back({container.directory + "/resolv.conf", "/etc/resolv.conf", true});
  co_return;
}

asio::awaitable<void> NetworkPart::started(Container& container, const api::ContainerSpec&) {
  auto connect = [this, network = network_of(container), init = container.init.get()] {
    driver_.connect(network, init);
  };
  co_await on_network_thread(std::move(connect));
  write_properties(container);
}

void NetworkPart::write_properties(Container& container) const {
  for (auto& [key, value] : network_properties(network_of(container), context_.options))
    container.record.properties[key] = value;
}

asio::awaitable<void> NetworkPart::cleanup(Container& container) {
  const auto& network = container.state<State>();
  if (!network) co_return;
  auto disconnect = [this, network = *network, is_last = subnets_.is_only_lease(network->lease)] {
    driver_.disconnect(network, is_last);
  };
  co_await on_network_thread(std::move(disconnect));
}

// After cleanup(): the next owner of the subnet makes devices of the same names.
void NetworkPart::release(Container& container) {
  auto& network = container.state<State>();
  if (!network) return;
  subnets_.release(network->lease);
  for (const auto& port : network->ports) ports_.release(port.host_port);
  network.reset();
}

boost::json::object NetworkPart::state(const Container& container) const {
  const auto* state = container.find_state<State>();
  return state == nullptr || !*state ? boost::json::object() : to_json(**state);
}

asio::awaitable<void> NetworkPart::recover(Container& container, const boost::json::object& state) {
  if (state.empty()) co_return;
  ContainerNetwork network = network_from_json(state);
  const auto ports = std::exchange(network.ports, {});
  subnets_.restore(network.lease);
  auto& recovered = container.state<State>();
  recovered = std::move(network);
  for (const auto& port : ports) {
    ports_.take(port.host_port);
    recovered->ports.push_back(port);
  }
}

asio::awaitable<void> NetworkPart::add_info(Container& container, api::ContainerInfo& info) {
  info.host_ip = container.property("garden.network.host-ip");
  info.container_ip = container.property("garden.network.container-ip");
  info.external_ip = container.property("garden.network.external-ip");
  if (const auto& network = container.state<State>()) info.mapped_ports = network->ports;
  co_return;
}

asio::awaitable<void> NetworkPart::add_metrics(Container& container, api::ContainerMetrics& metrics) {
  const auto& network = container.state<State>();
  const bool counts = context_.options.enable_container_network_metrics && network &&
                      container.property("network.healthcheck") != "true";
  if (!counts) co_return;
  auto read = [interface = network->host_interface] { return statistics_of_host_end(interface); };
  const auto bytes = co_await context_.on_worker(std::move(read));
  metrics.network = api::NetworkStat{bytes.received, bytes.sent};
}

asio::awaitable<void> NetworkPart::add_capacity(api::Capacity& capacity) {
  capacity.max_containers = std::min<std::uint64_t>(capacity.max_containers, subnets_.capacity());
  co_return;
}

asio::awaitable<api::PortMapping> NetworkPart::net_in(Container& container, api::NetIn wanted) {
  const ContainerNetwork network = network_of(container);
  const api::PortMapping port = acquire_port(wanted);
  std::exception_ptr failure;
  try {
    auto map_port = [this, network, port] { driver_.add_port(network, port); };
    co_await on_network_thread(std::move(map_port));
    if (container.is_being_destroyed) {
      // cleanup() may have run before, or without knowing of this port.
      auto unmap_port = [this, network, port] { driver_.remove_port(network, port); };
      co_await on_network_thread(std::move(unmap_port));
      throw api::ContainerNotFoundError(container.record.handle);
    }
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    ports_.release(port.host_port);
    std::rethrow_exception(failure);
  }
  network_of(container).ports.push_back(port);
  write_properties(container);
  container.has_unsaved_changes = true;
  co_return port;
}

asio::awaitable<void> NetworkPart::net_out(Container& container, std::vector<api::NetOutRule> rules) {
  for (const auto& rule : rules) check_rule(rule);
  auto& known = network_of(container).net_out;
  known.insert(known.end(), rules.begin(), rules.end());
  // The rules count once the kernel has them; of two calls at once the later one sets those of both.
  auto apply_rules = [this, network = network_of(container)] { driver_.apply_net_out(network); };
  std::exception_ptr failure;
  try {
    co_await on_network_thread(std::move(apply_rules));
  } catch (...) {
    failure = std::current_exception();
  }
  container.has_unsaved_changes = true;
  if (!failure) co_return;
  auto& network = container.state<State>();
  if (network) {
    // These rules only: others may have come behind them.
    for (const auto& rule : rules) {
      const auto wire = api::to_json(rule);
      auto& all = network->net_out;
      const auto found = std::find_if(all.rbegin(), all.rend(), [&](const auto& r) { return api::to_json(r) == wire; });
      if (found != all.rend()) all.erase(std::next(found).base());
    }
  }
  std::rethrow_exception(failure);
}

}  // namespace rivera::garden
