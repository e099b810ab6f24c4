// How the gardener takes a container away.
#include <csignal>
#include <filesystem>

#include "base/on_exit.h"
#include "garden/gardener/gardener.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace fs = std::filesystem;

namespace {

constexpr auto kKillLimit = std::chrono::seconds(20);

void kill_each(const std::vector<pid_t>& pids, int signal, pid_t except) {
  for (const pid_t pid : pids) {
    if (pid != except) ::kill(pid, signal);
  }
}

}  // namespace

asio::awaitable<void> Gardener::destroy(std::string handle) {
  const ContainerPtr container = find(handle);
  if (container->is_being_destroyed) throw api::GardenError(api::kAlreadyBeingDestroyed);
  container->is_being_destroyed = true;
  container->operation_since = std::chrono::steady_clock::now();
  while (container->is_being_created) co_await changed_.wait();
  if (find_or_null(handle) != container) co_return;  // its creation failed, and it is gone
  logger_.info("destroy.start", {{"handle", handle}});
  std::exception_ptr failure;
  try {
    co_await tear_down(*container);
  } catch (const std::exception& e) {
    logger_.error("destroy.failed", {{"handle", handle}, {"error", e.what()}});
    failure = std::current_exception();
  }
  container->is_being_destroyed = false;
  if (failure) std::rethrow_exception(failure);
  containers_.erase(handle);
  changed_.notify_all();
  logger_.info("destroy.destroyed", {{"handle", handle}});
}

// Every step takes it well that its work is done already, so that a failed one can be tried again.
asio::awaitable<void> Gardener::tear_down(Container& container) {
  ContainerRecord& record = container.record;
  co_await kill_processes(container);
  auto remove = [this, id = record.runtime_id, cgroups = container.cgroups] {
    if (!id.empty()) runtime_->remove(id);
    cgroups.remove();
  };
  co_await workers_.run(std::move(remove));
  container.init.reset();
  try {
    co_await ask_shim(container.directory, shim::FrameType::kQuit, kKillLimit);
  } catch (const ShimGone&) {
    // It has gone before.
  }
  if (record.network) {
    // Given back only when the devices are gone: the next owner makes new ones of the same name.
    const bool is_last = subnets_.release(record.network->lease);
    subnets_.restore(record.network->lease);
    auto disconnect = [this, network = *record.network, is_last] { network_.disconnect(network, is_last); };
    co_await network_worker_.run(std::move(disconnect));
    release_network(container);
  }
  auto delete_files = [this, id = record.image.id.empty() ? record.handle : record.image.id,
                       directory = container.directory] {
    images_.destroy(id);
    fs::remove_all(directory);
  };
  co_await workers_.run(std::move(delete_files));
  if (!is_collecting_trash_) background_.spawn("collect-trash", collect_trash());
}

asio::awaitable<void> Gardener::kill_processes(Container& container) {
  bool has_shim = true;
  try {
    co_await ask_shim(container.directory, shim::FrameType::kKillAll, kKillLimit);
  } catch (const ShimGone&) {
    has_shim = false;
  }
  if (has_shim) co_return;
  // Without the parent: by the control group, whose members nothing else can be.
  auto kill_all = [cgroups = container.cgroups] {
    if (cgroups.paths().empty()) return;
    for (int attempt = 0; attempt < 200; ++attempt) {
      const auto pids = cgroups.processes();
      if (pids.empty()) return;
      kill_each(pids, SIGKILL, 0);
      ::usleep(50'000);
    }
    throw api::GardenError("the container's processes do not end");
  };
  co_await workers_.run(std::move(kill_all));
}

asio::awaitable<void> Gardener::collect_trash() {
  is_collecting_trash_ = true;
  const base::OnExit done([this] { is_collecting_trash_ = false; });
  auto collect = [this] { images_.collect_trash(); };
  co_await workers_.run(std::move(collect));
}

asio::awaitable<void> Gardener::stop_processes(std::string handle, bool kill) {
  const ContainerPtr container = find(handle);
  constexpr auto kPatience = std::chrono::seconds(10);
  constexpr auto kInterval = std::chrono::milliseconds(50);
  const auto init = static_cast<pid_t>(container->record.init_pid);
  std::vector<int> signals{SIGKILL};
  if (!kill) signals.insert(signals.begin(), SIGTERM);
  for (const int signal : signals) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    bool are_left = true;
    while (are_left && std::chrono::steady_clock::now() < deadline) {
      auto read_pids = [cgroups = container->cgroups] { return cgroups.processes(); };
      auto pids = co_await workers_.run(std::move(read_pids));
      std::erase(pids, init);
      kill_each(pids, signal, init);
      are_left = !pids.empty();
      if (are_left) co_await base::sleep_for(kInterval);
    }
    if (!are_left) break;
  }
  container->record.properties[kRunStateProperty] = "stopped";
  save(*container);
}

}  // namespace rivera::garden
