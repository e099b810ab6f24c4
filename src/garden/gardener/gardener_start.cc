// How the gardener finds the containers of earlier servers, and what it does in the background.
#include <filesystem>

#include "base/work/cancellation.h"
#include "base/work/wait.h"
#include "garden/gardener/gardener.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace fs = std::filesystem;

asio::awaitable<void> Gardener::start() {
  if (context_.host.capabilities != container_capabilities(true, true, ~0ull)) {
    context_.logger.info("capabilities", {{"held", std::to_string(context_.host.capabilities)},
                                          {"effect", "containers get no capability that this server does not hold"}});
  }
  co_await recover_containers();
  for (const auto& part : list_.parts) co_await part->start(containers_);
  for (const auto& [handle, container] : containers_) {
    if (!container->must_be_destroyed) background_.spawn("follow", follow(container));
  }
  background_.spawn_critical("upkeep", run_upkeep());
}

asio::awaitable<void> Gardener::stop() {
  co_await background_.stop();
  for (const auto& part : list_.parts) co_await part->stop();
}

asio::awaitable<void> Gardener::recover_containers() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  auto found = co_await journal_.read_all();
  for (auto& one : found) {
    const auto container = std::make_shared<Container>();
    container->directory = one.directory;
    container->has_directory = true;
    container->record.handle = one.handle;
    containers_[one.handle] = container;
    std::string reason;
    try {
      co_await recover(*container, std::move(one.text));
      if (container->record.operation == Operation::kCreate) reason = "its creation was interrupted";
      if (container->record.operation == Operation::kDestroy) reason = "its destruction was interrupted";
      if (reason.empty() && context_.options.destroy_containers_on_startup) reason = "as configured";
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      reason = e.what();
    }
    container->must_be_destroyed = !reason.empty();
    container->last_used = std::chrono::steady_clock::now();
    context_.logger.info(reason.empty() ? "start.recovered" : "start.will-destroy",
                         {{"handle", one.handle}, {"reason", reason}});
  }
}

// Throws if the container cannot be used any more; every part has restored what it could even then.
asio::awaitable<void> Gardener::recover(Container& container, std::string text) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  std::exception_ptr failure;
  const std::string handle = container.record.handle;
  try {
    container.record = ContainerRecord::from_json(text);
    if (container.record.handle != handle) throw std::runtime_error("the record is of another container");
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    // How far it came is unknown: every part cleans up what it finds under this handle.
    container.record = ContainerRecord{};
    container.record.handle = handle;
    container.record.operation = Operation::kDestroy;
    for (const auto& part : list_.parts) container.record.begun.insert(part->name());
  }
  for (const auto& part : list_.parts) {
    const auto* state = container.record.parts.if_contains(part->name());
    const boost::json::object known =
        state == nullptr || !state->is_object() ? boost::json::object() : state->get_object();
    try {
      co_await part->recover(container, known);
    } catch (...) {
      if (base::is_cancelled(cancellation)) throw;
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

// Handles the end of every process, also of those that no client has joined. Follows again after a failure that is not
// the shim's end: the shim repeats the ends that it remembers.
asio::awaitable<void> Gardener::follow(ContainerPtr container) {
  constexpr auto kPause = std::chrono::seconds(1);
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  bool has_failed = true;
  while (has_failed && !container->is_being_destroyed) {
    has_failed = false;
    try {
      Processes::Ended ended = [this, container](std::string id, pid_t pid) {
        background_.spawn("process-ended", process_ended(container, std::move(id), pid, false));
      };
      co_await processes_.follow(container, std::move(ended));
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      has_failed = dynamic_cast<const ShimGone*>(&e) == nullptr;
      if (!container->is_being_destroyed) {
        context_.logger.error("follow.failed", {{"handle", container->record.handle}, {"error", e.what()}});
      }
    }
    if (has_failed) co_await base::sleep_for(kPause);
  }
}

// Of processes that ended while no server ran, or whose removal failed.
void Gardener::remove_ended_peas(const ContainerPtr& container) {
  for (const auto& [id, pea] : container->record.peas) {
    if (container->live_processes.contains(id)) continue;
    background_.spawn("remove-pea", remove_pea(container, id, pea.created_at_ns));
  }
}

asio::awaitable<void> Gardener::remove_pea(ContainerPtr container, std::string id, std::int64_t created_at_ns) {
  try {
    co_await processes_.peas().clean_up(container, id, created_at_ns);
  } catch (const api::GardenError& e) {
    context_.logger.error("remove-pea.failed",
                          {{"handle", container->record.handle}, {"process", id}, {"error", e.what()}});
  }
}

// Destroys containers that must be destroyed, and those that were not used for their grace time.
asio::awaitable<void> Gardener::run_upkeep() {
  constexpr auto kInterval = std::chrono::milliseconds(200);
  constexpr int kRetryEvery = 15;
  for (int round = 0;; ++round) {
    const auto now = std::chrono::steady_clock::now();
    for (const auto& [handle, container] : containers_) {
      if (container->is_being_created || container->is_being_destroyed) continue;
      if (round % kRetryEvery == 0 && !container->must_be_destroyed) remove_ended_peas(container);
      const auto grace = std::chrono::nanoseconds(container->record.grace_time_ns);
      const bool is_unused = grace.count() > 0 && container->users == 0 && now - container->last_used > grace;
      if (is_unused || (container->must_be_destroyed && round % kRetryEvery == 0)) {
        // Each on its own: one that hangs does not delay the others.
        background_.spawn("destroy", destroy_in_background(handle));
      }
    }
    co_await base::sleep_for(kInterval);
  }
}

asio::awaitable<void> Gardener::destroy_in_background(std::string handle) {
  try {
    co_await destroy(handle);
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    // Logged by destroy(); the upkeep tries again, at the end of a further grace time if it was for that.
    if (const auto container = find_or_null(handle)) container->last_used = std::chrono::steady_clock::now();
  }
}

asio::awaitable<void> Gardener::remove_everything() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  co_await recover_containers();
  std::vector<std::string> handles;
  for (const auto& [handle, container] : containers_) handles.push_back(handle);
  std::string failures;
  for (const auto& handle : handles) {
    try {
      co_await destroy(handle);
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      failures += (failures.empty() ? "" : "; ") + handle + ": " + e.what();
    }
  }
  if (!failures.empty()) throw std::runtime_error("cannot destroy " + failures);
  for (auto part = list_.parts.rbegin(); part != list_.parts.rend(); ++part) co_await (*part)->remove_everything();
  auto remove = [directory = context_.options.run_dir] { fs::remove_all(directory); };
  co_await context_.on_worker(std::move(remove));
  tag_lock_.remove();
}

}  // namespace rivera::garden
