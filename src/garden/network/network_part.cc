#include "garden/network/network_part.h"

#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/json/parse.hpp>

#include "base/files.h"
#include "base/work/cancellation.h"
#include "base/work/wait.h"
#include "garden/firewall/net_out_rules.h"
#include "garden/network/bind_files.h"

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

// Of a definition: larger numbers fit its fields.
void check_port(std::uint32_t port) {
  if (port > 65535) throw api::GardenError("invalid port: " + std::to_string(port));
}

}  // namespace

NetworkPart::NetworkPart(const Context& context)
    : context_(context),
      driver_(context.options, context.host, context.logger),
      subnets_(Subnet::parse(context.options.network_pool)),
      ports_(context.options.port_pool_start, context.options.port_pool_size,
             read_port_offset(context.options.port_pool_properties_path)),
      next_sequence_(static_cast<std::uint64_t>(
          std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count())),
      deletions_(context),
      background_(context.executor, context.logger) {}

ContainerNetwork& NetworkPart::network_of(Container& container) const {
  auto& state = container.state<State>();
  if (!state) throw api::GardenError("property not found: kawasaki.iptable-inst");
  return *state;
}

asio::awaitable<void> NetworkPart::start(const Containers& containers) {
  std::vector<NetworkDriver::Found> found;
  for (const auto& [handle, container] : containers) {
    const auto* state = container->find_state<State>();
    // Without the rules of a network that is only reserved: cleanup() would not remove them.
    if (state != nullptr && *state && container->record.begun.contains(name())) {
      found.push_back({**state, container->init.get()});
    }
  }
  watch_.emplace(driver_.table());
  auto set_up = [this, found] { driver_.start(found); };
  co_await on_network_thread(std::move(set_up));
  background_.spawn_critical("watch-rules", watch_rules());
  background_.spawn_critical("watch-devices", watch_devices());
}

asio::awaitable<void> NetworkPart::watch_rules() {
  base::UniqueFd copy(::fcntl(watch_->fd(), F_DUPFD_CLOEXEC, 0));
  if (!copy) throw std::system_error(errno, std::generic_category(), "watch the firewall");
  asio::posix::stream_descriptor news(context_.executor, copy.release());
  for (;;) {
    co_await news.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
    auto read = [this] { return watch_->read(); };
    auto change = co_await context_.on_worker(std::move(read));
    if (change) co_await restore_rules(std::move(*change));
  }
}

// Until it succeeds: without its tables no container is reached, and none is kept from what it may not reach.
asio::awaitable<void> NetworkPart::restore_rules(FirewallWatch::Change change) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  for (std::string last_failure;;) {
    co_await base::sleep_for(pace_.pause(std::chrono::steady_clock::now()));
    // What happened meanwhile is undone with the rest.
    auto read = [this] { return watch_->read(); };
    co_await context_.on_worker(std::move(read));
    auto restore = [this, change] { driver_.restore_rules(change); };
    std::string failure;
    try {
      co_await on_network_thread(std::move(restore));
      co_return;
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      failure = e.what();
    }
    if (failure != last_failure) context_.logger.error("firewall.restore-failed", {{"error", failure}});
    last_failure = failure;
  }
}

asio::awaitable<void> NetworkPart::watch_devices() {
  constexpr auto kInterval = std::chrono::seconds(5);
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  for (std::string last_failure;;) {
    co_await base::sleep_for(kInterval);
    auto restore = [this] { driver_.restore_devices(); };
    std::string failure;
    try {
      co_await on_network_thread(std::move(restore));
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      failure = e.what();
    }
    if (!failure.empty() && failure != last_failure) {
      context_.logger.error("network.restore-failed", {{"error", failure}});
    }
    last_failure = failure;
  }
}

asio::awaitable<void> NetworkPart::stop() {
  co_await background_.stop();
  co_await deletions_.stop();
  const std::string& path = context_.options.port_pool_properties_path;
  if (path.empty()) co_return;
  auto write = [path, offset = ports_.offset()] {
    base::write_file_atomically(path, "{\"offset\":" + std::to_string(offset) + "}\n");
  };
  try {
    co_await context_.on_worker(std::move(write));
  } catch (const std::system_error& e) {
    // The next server begins with the first port: no reason to fail.
    context_.logger.error("port-pool.save-failed", {{"error", e.what()}});
  }
}

asio::awaitable<void> NetworkPart::remove_everything() {
  auto remove = [this] { driver_.remove_everything(Subnet::parse(context_.options.network_pool)); };
  co_await on_network_thread(std::move(remove));
}

asio::awaitable<void> NetworkPart::check(Container&, const api::ContainerSpec& spec) {
  check_rules(spec.netout_rules);
  for (const auto& port : spec.netin) {
    check_port(port.host_port);
    check_port(port.container_port);
  }
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
  const BindFiles files(container);
  auto write = [this, files, lease, handle = container.record.handle, mapping = container.mapping] {
    const Options& options = context_.options;
    const auto resolv_conf = resolv_conf_file(options, read_host_resolver(), to_text(lease.subnet.gateway()));
    create_bind_file(files.hosts, hosts_file(handle, to_text(lease.address), options.additional_host_entries), mapping);
    create_bind_file(files.resolv_conf, resolv_conf.text, mapping);
    return resolv_conf.problem;
  };
  const std::string problem = co_await context_.on_worker(std::move(write));
  if (!problem.empty() && !has_warned_of_names_) {
    has_warned_of_names_ = true;
    context_.logger.error("network.no-name-server",
                          {{"problem", problem}, {"remedy", "name servers for containers with --dns-server"}});
  }
  files.add_to(bundle);
}

// A process with an image of its own is on its container's network: the names are the same.
asio::awaitable<void> NetworkPart::prepare_pea(Container& container, Pea&, const api::ProcessSpec&,
                                               BundleInput& bundle) {
  BindFiles(container).add_to(bundle);
  co_return;
}

asio::awaitable<void> NetworkPart::launch(Container& container) {
  auto connect = [this, network = network_of(container), network_namespace = container.network_namespace] {
    driver_.connect(network, network_namespace->get());
  };
  co_await on_network_thread(std::move(connect));
  write_properties(container);
}

// The create does not wait for it: the thread may have other containers to connect.
asio::awaitable<void> NetworkPart::started(Container& container, const api::ContainerSpec&) {
  const auto init = std::make_shared<base::UniqueFd>(::fcntl(container.init.get(), F_DUPFD_CLOEXEC, 0));
  background_.spawn("watch-container", watch_container(network_of(container).id, init));
  co_return;
}

asio::awaitable<void> NetworkPart::watch_container(std::string id, std::shared_ptr<const base::UniqueFd> init) {
  auto watch = [this, id, init] { driver_.watch(id, init->get()); };
  co_await on_network_thread(std::move(watch));
}

void NetworkPart::write_properties(Container& container) const {
  for (auto& [key, value] : network_properties(network_of(container), context_.options))
    container.record.properties[key] = value;
}

asio::awaitable<void> NetworkPart::cleanup(Container& container) {
  if (!container.state<State>()) co_return;
  const ContainerNetwork network = *container.state<State>();
  const bool is_last = subnets_.is_only_lease(network.lease);
  std::vector<std::string> links{network.host_interface};
  // A subnet of the pool has one container. The bridge of another one may be wanted again by now: the thread that makes
  // bridges deletes it.
  if (subnets_.is_of_pool(network.lease)) links.push_back(network.bridge);
  co_await deletions_.remove(std::move(links));
  auto disconnect = [this, network, is_last] { driver_.disconnect(network, is_last); };
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
  check_port(wanted.host_port);
  check_port(wanted.container_port);
  const std::string id = network_of(container).id;
  const api::PortMapping port = acquire_port(wanted);
  auto map_port = [this, id, port] { driver_.add_port(id, port); };
  std::exception_ptr failure;
  try {
    co_await on_network_thread(std::move(map_port));
  } catch (...) {
    failure = std::current_exception();
  }
  auto& network = container.state<State>();
  if (failure || !network) {
    ports_.release(port.host_port);
    if (container.is_being_destroyed || !network) throw api::ContainerNotFoundError(container.record.handle);
    std::rethrow_exception(failure);
  }
  network->ports.push_back(port);
  write_properties(container);
  container.has_unsaved_changes = true;
  co_return port;
}

// The rules count, for the record too, once the kernel has them.
asio::awaitable<void> NetworkPart::net_out(Container& container, std::vector<api::NetOutRule> rules, NetOutCall) {
  std::vector<api::NetOutRule> all = network_of(container).net_out;
  all.insert(all.end(), rules.begin(), rules.end());
  check_rules(all);
  auto add = [this, id = network_of(container).id, rules] { driver_.add_net_out(id, rules); };
  co_await on_network_thread(std::move(add));
  auto& network = container.state<State>();
  if (!network) throw api::ContainerNotFoundError(container.record.handle);
  network->net_out.insert(network->net_out.end(), rules.begin(), rules.end());
  container.has_unsaved_changes = true;
}

}  // namespace rivera::garden
