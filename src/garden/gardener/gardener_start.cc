// How the gardener finds what runs when it starts, the upkeep while it runs, and the removal of everything.
#include <filesystem>
#include <fstream>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/work/cancellation.h"
#include "garden/gardener/gardener.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace fs = std::filesystem;

namespace {

constexpr const char* kCgroupsFile = "/cgroups";

std::set<std::string> read_lines(const std::string& path) {
  std::set<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.insert(line);
  return lines;
}

}  // namespace

asio::awaitable<void> Gardener::start() {
  if (host_.capabilities != container_capabilities(true, true, ~0ull)) {
    logger_.info("capabilities", {{"held", std::to_string(host_.capabilities)},
                                  {"effect", "containers get no capability that this server does not hold"}});
  }
  co_await adopt_containers();
  std::vector<ContainerNetwork> networks;
  for (const auto& [handle, container] : containers_) {
    if (container->record.network) networks.push_back(*container->record.network);
  }
  auto set_up = [this, networks] { network_.start(networks); };
  co_await network_worker_.run(std::move(set_up));
  co_await remove_orphans();
  background_.spawn_critical("upkeep", run_upkeep());
  background_.spawn("collect-trash", collect_trash());
}

asio::awaitable<void> Gardener::stop() {
  co_await background_.stop();
  if (!options_.port_pool_properties_path.empty()) {
    base::write_file_atomically(options_.port_pool_properties_path,
                                "{\"offset\":" + std::to_string(ports_.offset()) + "}\n");
  }
}

asio::awaitable<void> Gardener::adopt_containers() {
  cgroup_parents_ = read_lines(options_.run_dir + kCgroupsFile);
  for (const auto& entry : fs::directory_iterator(options_.depot)) {
    const std::string handle = entry.path().filename();
    if (!entry.is_directory() || handle[0] == '.') continue;
    const auto container = std::make_shared<Container>();
    container->directory = entry.path();
    container->record.handle = handle;
    std::string why;
    bool is_usable = false;
    try {
      container->record = ContainerRecord::from_json(base::read_file(container->directory + "/state.json"));
      container->cgroups = Cgroups(container->record.cgroup_paths);
      is_usable = co_await adopt(*container);
    } catch (const std::exception& e) {
      why = e.what();
    }
    container->must_go = !is_usable || options_.destroy_containers_on_startup;
    container->last_used = std::chrono::steady_clock::now();
    containers_[handle] = container;
    logger_.info(container->must_go ? "start.will-destroy" : "start.adopted", {{"handle", handle}, {"reason", why}});
  }
}

// True if the container can go on being used.
asio::awaitable<bool> Gardener::adopt(Container& container) {
  ContainerRecord& record = container.record;
  if (record.network) {
    auto network = std::move(*record.network);
    record.network.reset();
    subnets_.restore(network.lease);
    for (const auto& port : network.ports) ports_.take(port.host_port);
    record.network = std::move(network);
  }
  if (container.property(kStateProperty) != "created" || record.boot_id != boot_id()) co_return false;

  const auto pid = static_cast<pid_t>(record.init_pid);
  container.init.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (process_start_time(pid) != record.init_start_time) container.init.reset();
  // Without its shim nobody can say how its processes end; without its first process they have ended, but the shim
  // knows how.
  const auto answer = co_await ask_shim(container.directory, shim::FrameType::kStatus, std::chrono::seconds(10));
  const auto status = shim::StatusReply::decode(answer.payload);
  if (status.version != shim::kProtocolVersion) co_return false;
  for (const auto& process : status.processes) {
    if (!process.id.empty() && !process.has_exited) container.live_processes.insert(process.id);
  }
  for (const auto& entry : fs::directory_iterator(container.directory + "/processes")) {
    const std::string id = entry.path().filename();
    if (!container.live_processes.contains(id)) container.ended_processes.push_back(id);
  }
  co_return true;
}

// What a crash in the middle of something has left: images without a container, unfinished layers.
asio::awaitable<void> Gardener::remove_orphans() {
  std::set<std::string> used;
  for (const auto& [handle, container] : containers_) {
    used.insert(handle);
    used.insert(container->record.image.id);
  }
  auto clear = [this, used] {
    images_.remove_incomplete_layers();
    for (const auto& id : images_.image_ids()) {
      if (!used.contains(id)) images_.destroy(id);
    }
  };
  co_await workers_.run(std::move(clear));
}

// Destroys the containers that are to be destroyed, and those that have been unused for their grace time.
asio::awaitable<void> Gardener::run_upkeep() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  constexpr auto kInterval = std::chrono::milliseconds(200);
  constexpr int kRetryEvery = 15;
  for (int round = 0;; ++round) {
    std::vector<std::string> due;
    const auto now = std::chrono::steady_clock::now();
    for (const auto& [handle, container] : containers_) {
      if (container->is_being_created || container->is_being_destroyed) continue;
      const auto grace = std::chrono::nanoseconds(container->record.grace_time_ns);
      const bool is_unused = grace.count() > 0 && container->users == 0 && now - container->last_used > grace;
      if (is_unused || (container->must_go && round % kRetryEvery == 0)) due.push_back(handle);
    }
    for (const auto& handle : due) {
      try {
        co_await destroy(handle);
      } catch (const std::exception& e) {  // tried again later
        if (base::is_cancelled(cancellation)) throw;
        logger_.error("upkeep.destroy-failed", {{"handle", handle}, {"error", e.what()}});
      }
    }
    co_await base::sleep_for(kInterval);
  }
}

void Gardener::remember_cgroups(const Cgroups& cgroups) {
  const auto known = cgroup_parents_.size();
  cgroup_parents_.merge(cgroups.parents());
  if (cgroup_parents_.size() == known) return;
  std::string lines;
  for (const auto& directory : cgroup_parents_) lines += directory + "\n";
  base::write_file_atomically(options_.run_dir + kCgroupsFile, lines);
}

asio::awaitable<void> Gardener::remove_everything() {
  co_await adopt_containers();
  std::vector<std::string> handles;
  for (const auto& [handle, container] : containers_) handles.push_back(handle);
  std::string failures;
  for (const auto& handle : handles) {
    try {
      co_await destroy(handle);
    } catch (const std::exception& e) {
      failures += (failures.empty() ? "" : "; ") + handle + ": " + e.what();
    }
  }
  co_await background_.join();
  if (!failures.empty()) throw std::runtime_error("cannot destroy " + failures);
  co_await remove_orphans();
  auto reset = [this] { network_.stop_for_good(Subnet::parse(options_.network_pool)); };
  co_await network_worker_.run(std::move(reset));
  auto finish = [this] {
    images_.collect_trash();
    clear_cgroups(cgroup_parents_);
    fs::remove_all(options_.run_dir);
  };
  co_await workers_.run(std::move(finish));
}

}  // namespace rivera::garden
