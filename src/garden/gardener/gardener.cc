#include "garden/gardener/gardener.h"

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <unistd.h>

#include "base/work/cancellation.h"
#include "garden/host/cgroup_mounts.h"
#include "garden/host/security_options.h"
#include "garden/images/layer_views.h"
#include "garden/runtime/runtime_probe.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace fs = std::filesystem;

namespace {

base::UniqueFd take_lock(const std::string& state_dir) {
  fs::create_directories(state_dir);
  const std::string path = state_dir + "/lock";
  base::UniqueFd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) throw std::system_error(errno, std::generic_category(), "open " + path);
  // An earlier server may still be stopping.
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
    ::usleep(100'000);
  }
  throw std::runtime_error("another garden uses " + state_dir);
}

std::int64_t now_ns() { return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count(); }

// What this server needs of the host before it can look at it: control groups, and a runtime that works.
Context prepare_context(asio::any_io_executor executor, base::WorkerPool& workers, Options options,
                        base::Logger logger) {
  if (!options.skip_setup && options.command != Options::Command::kCleanup) {
    try {
      for (const auto& name : mount_cgroup_hierarchies()) logger.info("setup.mounted", {{"control-group", name}});
    } catch (const std::exception& e) {
      logger.error("setup.failed", {{"error", e.what()}});
    }
  }
  const Host host = Host::probe();
  check_security_options(options);
  if (options.runtime.empty() && options.command == Options::Command::kCleanup) options.runtime = "runc";
  if (options.runtime.empty()) {
    const RuntimeChoice choice = choose_runtime(options, host);
    options.runtime = choice.program;
    logger.info("runtime", {{"program", choice.program}, {"reason", choice.reason}});
  }
  if (options.container_id_ranges && options.command == Options::Command::kServer) {
    const std::string obstacle = obstacle_to_id_ranges(options, host);
    options.container_id_ranges = obstacle.empty();
    if (!obstacle.empty())
      logger.error("id-ranges.unavailable", {{"reason", obstacle}, {"effect", "all containers share host ids"}});
  }
  return Context{std::move(executor), workers, std::move(options), host, std::move(logger)};
}

}  // namespace

Gardener::Gardener(asio::any_io_executor executor, base::WorkerPool& workers, Options options, base::Logger logger,
                   StepObserver observer)
    : context_(prepare_context(std::move(executor), workers, std::move(options), std::move(logger))),
      observer_(std::move(observer)),
      lock_(take_lock(context_.options.state_dir)),
      tag_lock_(context_.options),
      list_(make_parts(context_)),
      journal_(context_, list_.parts),
      processes_(context_, list_.parts, journal_, observer_),
      changed_(context_.executor),
      background_(context_.executor, context_.logger) {
  fs::create_directories(context_.options.depot);
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

asio::awaitable<void> Gardener::save_if_changed(Container& container) {
  if (container.has_unsaved_changes) co_await journal_.save(container);
}

asio::awaitable<void> Gardener::save_or_log(Container& container) {
  try {
    co_await journal_.save(container);
  } catch (const std::system_error& e) {
    container.has_unsaved_changes = true;
    context_.logger.error("save.failed", {{"handle", container.record.handle}, {"error", e.what()}});
  }
}

void Gardener::at_step(const std::string& step) const {
  if (observer_) observer_(step);
}

asio::awaitable<api::Capacity> Gardener::capacity() {
  api::Capacity capacity;
  capacity.memory_in_bytes = context_.host.memory_bytes;
  const std::uint64_t most = context_.options.max_containers;
  capacity.max_containers = most > 0 ? most : std::numeric_limits<std::uint64_t>::max();
  for (const auto& part : list_.parts) co_await part->add_capacity(capacity);
  co_return capacity;
}

Gardener::Counts Gardener::counts() const {
  Counts counts;
  counts.containers = containers_.size();
  const auto now = std::chrono::steady_clock::now();
  for (const auto& [handle, container] : containers_) {
    if (container->must_be_destroyed) ++counts.undestroyable;
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
  api::ContainerInfo info;
  for (const auto& part : list_.parts) co_await part->add_info(*container, info);
  if (container->has_unsaved_changes) co_await save_or_log(*container);
  info.state = container->property(kRunStateProperty) == "stopped" ? "stopped" : "active";
  info.container_path = container->directory;
  info.properties = container->record.properties;
  co_return info;
}

asio::awaitable<api::ContainerMetrics> Gardener::metrics(std::string handle) {
  api::ContainerMetrics metrics;
  if (const ContainerPtr container = container_of_pea(handle)) {
    const Pea pea = container->record.peas.at(handle);
    metrics.age_ns = now_ns() - pea.created_at_ns;
    for (const auto& part : list_.parts) co_await part->add_pea_metrics(*container, pea, metrics);
    co_return metrics;
  }
  const ContainerPtr container = find(handle);
  metrics.age_ns = now_ns() - container->record.created_at_ns;
  for (const auto& part : list_.parts) co_await part->add_metrics(*container, metrics);
  co_return metrics;
}

// --- network ---

asio::awaitable<api::PortMapping> Gardener::net_in(std::string handle, api::NetIn wanted) {
  const ContainerPtr container = find(handle);
  const api::PortMapping port = co_await list_.networker->net_in(*container, wanted);
  co_await save_if_changed(*container);
  co_return port;
}

asio::awaitable<void> Gardener::net_out(std::string handle, std::vector<api::NetOutRule> rules,
                                        Networker::NetOutCall call) {
  const ContainerPtr container = find(handle);
  co_await list_.networker->net_out(*container, std::move(rules), call);
  co_await save_if_changed(*container);
}

// --- processes ---

asio::awaitable<void> Gardener::stop_processes(std::string handle, bool kill) {
  const ContainerPtr container = find(handle);
  co_await processes_.stop(container, kill);
  container->record.properties[kRunStateProperty] = "stopped";
  co_await journal_.save(*container);
}

asio::awaitable<ProcessSession> Gardener::run(std::string handle, api::ProcessSpec spec) {
  const ContainerPtr container = find(handle);
  if (container->is_being_destroyed) throw api::ContainerNotFoundError(handle);
  if (!spec.image.empty() && !spec.id.empty()) {
    // Its figures are asked for, and its image is known, by its id alone.
    const auto owner = container_of_pea(spec.id);
    if (containers_.contains(spec.id) || (owner && owner != container)) {
      throw api::GardenError("process ID '" + spec.id + "' already in use");
    }
  }
  auto session = co_await processes_.run(container, std::move(spec));
  co_return session;
}

asio::awaitable<ProcessSession> Gardener::attach(std::string handle, std::string process_id) {
  auto session = co_await processes_.attach(find(handle), std::move(process_id));
  co_return session;
}

asio::awaitable<void> Gardener::process_ended(ContainerPtr container, std::string process_id, pid_t pid,
                                              bool client_has_status) {
  try {
    for (const auto& part : list_.parts) co_await part->process_ended(*container);
    if (container->has_unsaved_changes) co_await save_or_log(*container);
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    // The exit is reported in any case.
    context_.logger.error("process-ended.failed", {{"handle", container->record.handle}, {"error", e.what()}});
  }
  const bool is_news = co_await processes_.forget(container, process_id, pid, client_has_status);
  const auto pea = container->record.peas.find(process_id);
  if (is_news && pea != container->record.peas.end() && !container->is_being_destroyed) {
    background_.spawn("remove-pea", remove_pea(container, process_id, pea->second.created_at_ns));
  }
}

ContainerPtr Gardener::container_of_pea(const std::string& id) const {
  for (const auto& [handle, container] : containers_) {
    if (container->record.peas.contains(id)) return container;
  }
  return nullptr;
}

asio::awaitable<std::unique_ptr<Child>> Gardener::start_transfer(std::string handle, std::string mode, std::string user,
                                                                 std::string path) {
  auto child = co_await processes_.start_transfer(find(handle), std::move(mode), std::move(user), std::move(path));
  co_return child;
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

asio::awaitable<void> Gardener::set_property(std::string handle, std::string key, std::string value) {
  const auto container = find(handle);
  container->record.properties[key] = value;
  co_await journal_.save(*container);
}

asio::awaitable<void> Gardener::remove_property(std::string handle, std::string key) {
  const auto container = find_or_null(handle);
  if (container && container->record.properties.erase(key) > 0) co_await journal_.save(*container);
}

asio::awaitable<void> Gardener::set_grace_time(std::string handle, std::int64_t grace_time_ns) {
  const auto container = find(handle);
  container->record.grace_time_ns = grace_time_ns;
  container->record.properties[kGraceTimeProperty] = std::to_string(grace_time_ns);
  container->last_used = std::chrono::steady_clock::now();
  co_await journal_.save(*container);
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
