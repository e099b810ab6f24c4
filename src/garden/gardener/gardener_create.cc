// How the gardener makes a container (docs/spec/garden.md §2.1).
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>

#include "base/ids.h"
#include "garden/gardener/gardener.h"
#include "garden/runtime/bundle.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace fs = std::filesystem;

namespace {

constexpr auto kLaunchLimit = std::chrono::minutes(2);

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

void Gardener::check_spec(api::ContainerSpec& spec) const {
  if (spec.handle.empty()) spec.handle = base::new_guid();
  check_name("handle", spec.handle);
  if (!spec.image.uri.empty() && !spec.rootfs.empty())
    throw api::GardenError("Cannot provide both Image.URI and RootFSPath");
  if (spec.privileged && options_.disable_privileged_containers) {
    throw api::GardenError("privileged container creation is disabled");
  }
  if (containers_.contains(spec.handle)) throw api::GardenError("Handle '" + spec.handle + "' already in use");
  if (options_.max_containers > 0 && containers_.size() >= options_.max_containers) {
    throw api::GardenError("max containers reached");
  }
  if (spec.image.uri.empty()) spec.image.uri = spec.rootfs.empty() ? options_.default_rootfs : spec.rootfs;
  if (spec.image.uri.empty()) throw api::GardenError("no root filesystem given, and the server has no default");
  for (const auto& rule : spec.netout_rules) check_rule(rule);
  for (const auto& mount : spec.bind_mounts) {
    if (!fs::exists(mount.src_path)) throw api::GardenError("bind mount source does not exist: " + mount.src_path);
  }
}

asio::awaitable<std::string> Gardener::create(api::ContainerSpec spec) {
  check_spec(spec);
  const auto container = std::make_shared<Container>();
  container->is_being_created = true;
  container->operation_since = std::chrono::steady_clock::now();
  container->directory = options_.depot + "/" + spec.handle;
  container->record.handle = spec.handle;
  containers_[spec.handle] = container;
  logger_.info("create.start", {{"handle", spec.handle}, {"privileged", spec.privileged}, {"rootfs", spec.image.uri}});

  std::exception_ptr failure;
  try {
    co_await build(*container, spec);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    std::exception_ptr left_over;
    try {
      co_await tear_down(*container);
    } catch (...) {
      left_over = std::current_exception();
    }
    container->is_being_created = false;
    if (left_over) {
      container->must_go = true;  // stays listed under "all", and is tried again
    } else {
      containers_.erase(spec.handle);
    }
    changed_.notify_all();
    std::rethrow_exception(failure);
  }
  container->is_being_created = false;
  container->last_used = std::chrono::steady_clock::now();
  changed_.notify_all();
  logger_.info("create.created", {{"handle", spec.handle}});
  co_return spec.handle;
}

void Gardener::reserve_network(Container& container, const api::ContainerSpec& spec) {
  const Lease lease = subnets_.acquire(spec.network);
  ContainerNetwork network = plan_network(options_, spec.handle, lease, next_network_++);
  network.external_ip = network_.external_ip();
  network.mtu = network_.mtu();
  container.record.network = network;
  network.net_out = spec.netout_rules;
  for (const auto& net_in : spec.netin) {
    api::PortMapping port{net_in.host_port, net_in.container_port};
    if (port.host_port == 0) {
      port.host_port = ports_.acquire();
    } else {
      ports_.take(port.host_port);
    }
    if (port.container_port == 0) port.container_port = port.host_port;
    container.record.network->ports.push_back(port);  // at once, so that a failure gives it back
  }
  container.record.network->net_out = spec.netout_rules;
}

void Gardener::release_network(Container& container) {
  if (!container.record.network) return;
  subnets_.release(container.record.network->lease);
  for (const auto& port : container.record.network->ports) ports_.release(port.host_port);
  container.record.network.reset();
}

asio::awaitable<void> Gardener::build(Container& container, const api::ContainerSpec& spec) {
  ContainerRecord& record = container.record;
  record.properties = spec.properties;
  record.env = spec.env;
  record.privileged = spec.privileged;
  record.limits = spec.limits;
  record.grace_time_ns = spec.grace_time_ns != 0 ? spec.grace_time_ns : options_.default_grace_time.count();
  record.created_at_ns = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  record.runtime_id = runtime_->id_of(spec.handle);
  reserve_network(container, spec);
  fs::create_directory(container.directory);
  save(container);

  const IdMapping mapping = spec.privileged ? IdMapping{} : mapping_;
  auto make_image = [this, uri = spec.image.uri, handle = spec.handle, mapping] {
    return images_.create(uri, handle, mapping);
  };
  record.image = co_await workers_.run(std::move(make_image));
  co_await start_init(container, spec);
  auto connect = [this, network = *record.network, init = container.init.get()] { network_.connect(network, init); };
  co_await network_worker_.run(std::move(connect));

  for (auto& [key, value] : network_properties(*record.network, options_)) record.properties[key] = value;
  if (record.grace_time_ns != 0) record.properties[kGraceTimeProperty] = std::to_string(record.grace_time_ns);
  record.properties[kStateProperty] = "created";
  save(container);
}

void Gardener::write_bundle(const Container& container, const api::ContainerSpec& spec) const {
  const ContainerRecord& record = container.record;
  const IdMapping mapping = spec.privileged ? IdMapping{} : mapping_;
  const Lease& lease = record.network->lease;
  write_bind_source(container.directory + "/hosts", hosts_file(options_, spec.handle, lease.address), mapping);
  write_bind_source(container.directory + "/resolv.conf",
                    resolv_conf_file(options_, host_resolv_conf(), lease.subnet.gateway()), mapping);
  BundleInput input;
  input.handle = spec.handle;
  input.root = record.image.root;
  input.hosts = container.directory + "/hosts";
  input.resolv_conf = container.directory + "/resolv.conf";
  // Below the runtime's own group where each controller has its hierarchy, below the root where there is one (§2.11).
  input.cgroup_path = (host_.has_unified_cgroups ? "/" : "") + cgroup_parent(options_.tag) + "/" + record.runtime_id;
  input.privileged = spec.privileged;
  input.mapping = mapping;
  input.bind_mounts = spec.bind_mounts;
  input.limits = spec.limits;
  base::write_file_atomically(container.directory + "/config.json",
                              boost::json::serialize(make_bundle(input, options_, host_)), 0600);
  fs::create_directories(container.directory + "/processes");
}

asio::awaitable<void> Gardener::start_init(Container& container, const api::ContainerSpec& spec) {
  auto prepare = [this, &container, &spec] {
    write_bundle(container, spec);
    start_shim(options_.shim_bin, container.directory);
  };
  co_await workers_.run(std::move(prepare));
  ContainerRecord& record = container.record;
  const std::string log = container.directory + "/runtime.log";
  shim::LaunchRequest request;
  request.pid_file = container.directory + "/pidfile";
  request.exit_file = container.directory + "/exitcode";
  request.command = runtime_->run_command(record.runtime_id, container.directory, request.pid_file, log);
  const auto shim = co_await ShimConnection::connect(container.directory);
  co_await shim->send(shim::FrameType::kLaunch, request.encode());
  auto answer = co_await base::within(kLaunchLimit, "starting the container", shim->receive());
  if (!answer) throw ShimGone("the container's shim is gone");
  const auto number = shim::PayloadReader(answer->payload).number();
  if (answer->type != shim::FrameType::kStarted) {
    throw_runtime_failure(runtime_->name() + " run", static_cast<int>(number), last_error_of_log(log));
  }
  const auto pid = static_cast<pid_t>(number);
  if (pid == 0) throw api::GardenError("container init PID was 0");
  container.init.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!container.init) throw api::GardenError("the container's first process ended at once");
  record.init_pid = pid;
  record.init_start_time = process_start_time(pid);
  record.boot_id = boot_id();
  container.cgroups = Cgroups::of_process(pid, cgroup_parent(options_.tag));
  record.cgroup_paths = container.cgroups.paths();
  remember_cgroups(container.cgroups);
  save(container);
}

}  // namespace rivera::garden
