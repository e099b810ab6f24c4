#include "garden/gardener/gardener.h"

#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "base/on_exit.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace fs = std::filesystem;

namespace {

base::UniqueFd take_lock(const std::string& state_dir) {
  fs::create_directories(state_dir);
  const std::string path = state_dir + "/lock";
  base::UniqueFd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) throw std::system_error(errno, std::generic_category(), "open " + path);
  // An earlier server may still be on its way out.
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
    ::usleep(100'000);
  }
  throw std::runtime_error("another garden uses " + state_dir);
}

std::uint32_t read_port_offset(const std::string& path) {
  if (path.empty() || !fs::exists(path)) return 0;
  boost::system::error_code ec;
  const auto json = boost::json::parse(base::read_file(path), ec);
  const auto* offset = ec ? nullptr : api::find_member(json, "offset");
  return offset != nullptr && offset->is_int64() ? static_cast<std::uint32_t>(offset->get_int64()) : 0;
}

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count());
}

std::vector<std::string> split_events(const std::string& joined) {
  std::vector<std::string> events;
  for (std::size_t at = 0; !joined.empty() && at <= joined.size();) {
    const std::size_t end = std::min(joined.find(',', at), joined.size());
    events.push_back(joined.substr(at, end - at));
    at = end + 1;
  }
  return events;
}

}  // namespace

Gardener::Gardener(asio::any_io_executor executor, base::WorkerPool& workers, Options options, base::Logger logger)
    : executor_(executor),
      workers_(workers),
      options_(std::move(options)),
      logger_(std::move(logger)),
      host_(Host::probe()),
      lock_(take_lock(options_.state_dir)),
      mapping_(unprivileged_mapping(options_, host_)),
      runtime_(make_oci_runtime(options_)),
      images_(options_.state_dir, options_.run_dir),
      network_(options_, host_),
      subnets_(Subnet::parse(options_.network_pool)),
      ports_(options_.port_pool_start, options_.port_pool_size, read_port_offset(options_.port_pool_properties_path)),
      next_network_(now_ns()),
      changed_(executor),
      background_(executor, logger_) {
  fs::create_directories(options_.depot);
}

Gardener::~Gardener() = default;

ContainerPtr Gardener::find_or_null(const std::string& handle) const {
  const auto found = containers_.find(handle);
  return found == containers_.end() ? nullptr : found->second;
}

ContainerPtr Gardener::find(const std::string& handle) const {
  auto container = find_or_null(handle);
  if (!container) throw api::ContainerNotFoundError(handle);
  return container;
}

void Gardener::save(const Container& container) const {
  base::write_file_atomically(container.directory + "/state.json", container.record.to_json(), 0600);
}

api::Capacity Gardener::capacity() const {
  const auto [disk, available] = images_.disk_size();
  std::uint64_t most = subnets_.capacity();
  if (options_.max_containers > 0) most = std::min<std::uint64_t>(most, options_.max_containers);
  return {host_.memory_bytes, disk, available, most};
}

Gardener::Counts Gardener::counts() const {
  Counts counts;
  counts.containers = containers_.size();
  const auto now = std::chrono::steady_clock::now();
  for (const auto& [handle, container] : containers_) {
    if (container->must_go) ++counts.undestroyable;
    if (!container->is_being_created && !container->is_being_destroyed) continue;
    const double age = std::chrono::duration<double>(now - container->operation_since).count();
    counts.oldest_operation_seconds = std::max(counts.oldest_operation_seconds, age);
  }
  return counts;
}

std::vector<std::string> Gardener::list(const api::PropertyFilter& filter) const {
  api::PropertyFilter wanted = filter;
  const auto state = wanted.find(kStateProperty);
  if (state == wanted.end()) {
    wanted[kStateProperty] = "created";
  } else if (state->second == "all") {
    wanted.erase(state);
  }
  std::vector<std::string> handles;
  for (const auto& [handle, container] : containers_) {
    const bool fits = std::all_of(wanted.begin(), wanted.end(),
                                  [&, c = container](const auto& p) { return c->property(p.first) == p.second; });
    if (fits) handles.push_back(handle);
  }
  return handles;
}

api::Limits Gardener::limits(const std::string& handle) const { return find(handle)->record.limits; }

asio::awaitable<api::ContainerInfo> Gardener::info(std::string handle) {
  const ContainerPtr container = find(handle);
  note_exit(*container, "");
  const ContainerRecord& record = container->record;
  api::ContainerInfo info;
  info.state = container->property(kRunStateProperty) == "stopped" ? "stopped" : "active";
  info.events = split_events(container->property(kEventsProperty));
  info.host_ip = container->property("garden.network.host-ip");
  info.container_ip = container->property("garden.network.container-ip");
  info.external_ip = container->property("garden.network.external-ip");
  info.container_path = container->directory;
  info.properties = record.properties;
  if (record.network) info.mapped_ports = record.network->ports;
  co_return info;
}

asio::awaitable<void> Gardener::measure_disk(ContainerPtr container) {
  container->is_measuring_disk = true;
  const base::OnExit done([container] { container->is_measuring_disk = false; });
  auto measure = [this, image = container->record.image.id] { return images_.exclusive_bytes(image); };
  container->exclusive_bytes = co_await workers_.run(std::move(measure));
  container->exclusive_bytes_at = std::chrono::steady_clock::now();
}

asio::awaitable<api::ContainerMetrics> Gardener::metrics(std::string handle) {
  const ContainerPtr container = find(handle);
  const ContainerRecord& record = container->record;
  // Counting a container's files takes as long as it has files: waited for once, then done beside.
  constexpr auto kDiskInterval = std::chrono::seconds(30);
  const auto counted_at = container->exclusive_bytes_at;
  if (counted_at.time_since_epoch().count() == 0) {
    co_await measure_disk(container);
  } else if (!container->is_measuring_disk && std::chrono::steady_clock::now() - counted_at > kDiskInterval) {
    background_.spawn("measure-disk", measure_disk(container));
  }
  auto read_all = [cgroups = container->cgroups] {
    api::ContainerMetrics read;
    cgroups.read_metrics(read);
    return read;
  };
  api::ContainerMetrics metrics = co_await workers_.run(std::move(read_all));
  metrics.disk.exclusive_bytes_used = container->exclusive_bytes;
  metrics.disk.total_bytes_used = record.image.size + container->exclusive_bytes;
  metrics.age_ns = static_cast<std::int64_t>(now_ns()) - record.created_at_ns;
  const double share_percent = options_.cpu_entitlement_per_share > 0
                                   ? options_.cpu_entitlement_per_share
                                   : 100.0 * host_.processors / (static_cast<double>(host_.memory_bytes) / (1 << 20));
  metrics.cpu_entitlement = static_cast<std::uint64_t>(static_cast<double>(record.limits.cpu.shares()) * share_percent /
                                                       100 * static_cast<double>(metrics.age_ns));
  const bool count_network = options_.enable_container_network_metrics && record.network &&
                             container->property("network.healthcheck") != "true";
  if (count_network) {
    const auto bytes = statistics_of_host_end(record.network->host_interface);
    metrics.network = api::NetworkStat{bytes.received, bytes.sent};
  }
  co_return metrics;
}

// --- network rules ---

asio::awaitable<api::PortMapping> Gardener::net_in(std::string handle, api::NetIn wanted) {
  const ContainerPtr container = find(handle);
  if (!container->record.network) throw api::GardenError("property not found: kawasaki.iptable-inst");
  api::PortMapping port{wanted.host_port, wanted.container_port};
  if (port.host_port == 0) {
    port.host_port = ports_.acquire();
  } else {
    ports_.take(port.host_port);
  }
  if (port.container_port == 0) port.container_port = port.host_port;
  ContainerNetwork network = *container->record.network;
  std::exception_ptr failure;
  try {
    auto map_port = [this, network, port] { network_.add_port(network, port); };
    co_await network_worker_.run(std::move(map_port));
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    ports_.release(port.host_port);
    std::rethrow_exception(failure);
  }
  container->record.network->ports.push_back(port);
  for (auto& [key, value] : network_properties(*container->record.network, options_))
    container->record.properties[key] = value;
  save(*container);
  co_return port;
}

asio::awaitable<void> Gardener::net_out(std::string handle, std::vector<api::NetOutRule> rules) {
  const ContainerPtr container = find(handle);
  if (!container->record.network) throw api::GardenError("property not found: kawasaki.iptable-inst");
  for (const auto& rule : rules) check_rule(rule);
  auto& known = container->record.network->net_out;
  known.insert(known.end(), rules.begin(), rules.end());
  save(*container);
  auto apply_rules = [this, network = *container->record.network] { network_.apply_net_out(network); };
  co_await network_worker_.run(std::move(apply_rules));
}

// --- properties ---

const api::Properties* Gardener::properties(const std::string& handle) const {
  const auto container = find_or_null(handle);
  return container ? &container->record.properties : nullptr;
}

std::string Gardener::property(const std::string& handle, const std::string& key) const {
  const auto* all = properties(handle);
  if (all == nullptr || !all->contains(key)) throw api::GardenError("property does not exist: " + key);
  return all->at(key);
}

void Gardener::set_property(const std::string& handle, const std::string& key, const std::string& value) {
  const auto container = find(handle);
  container->record.properties[key] = value;
  save(*container);
}

void Gardener::remove_property(const std::string& handle, const std::string& key) {
  const auto container = find_or_null(handle);
  if (container && container->record.properties.erase(key) > 0) save(*container);
}

void Gardener::set_grace_time(const std::string& handle, std::int64_t grace_time_ns) {
  const auto container = find(handle);
  container->record.grace_time_ns = grace_time_ns;
  container->record.properties[kGraceTimeProperty] = std::to_string(grace_time_ns);
  container->last_used = std::chrono::steady_clock::now();
  save(*container);
}

Gardener::Use::Use(ContainerPtr container) : container_(std::move(container)) {
  if (container_) ++container_->users;
}

Gardener::Use::~Use() {
  if (!container_) return;
  --container_->users;
  container_->last_used = std::chrono::steady_clock::now();
}

Gardener::Use Gardener::use(const std::string& handle) const { return Use(find_or_null(handle)); }

}  // namespace rivera::garden
