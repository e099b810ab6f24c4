// How the gardener destroys a container.
#include "garden/gardener/gardener.h"

namespace rivera::garden {

namespace api = clients::garden;

asio::awaitable<void> Gardener::destroy(std::string handle) {
  const ContainerPtr container = find(handle);
  if (container->is_being_destroyed) throw api::GardenError(api::kAlreadyBeingDestroyed);
  container->is_being_destroyed = true;
  container->operation_since = std::chrono::steady_clock::now();
  while (container->is_being_created) co_await changed_.wait();
  if (find_or_null(handle) != container) co_return;  // its creation failed and was undone
  context_.logger.info("destroy.start", {{"handle", handle}});
  std::exception_ptr failure;
  try {
    co_await tear_down(*container);
  } catch (const std::exception& e) {
    context_.logger.error("destroy.failed", {{"handle", handle}, {"error", e.what()}});
    failure = std::current_exception();
  }
  container->is_being_destroyed = false;
  if (failure) std::rethrow_exception(failure);
  containers_.erase(handle);
  changed_.notify_all();
  context_.logger.info("destroy.destroyed", {{"handle", handle}});
}

// Stops at the first failure: what the other parts would remove may still be in use. The next call continues with the
// parts that are left.
asio::awaitable<void> Gardener::tear_down(Container& container) {
  ContainerRecord& record = container.record;
  record.operation = Operation::kDestroy;
  if (container.has_directory) co_await save_or_log(container);
  for (auto part = list_.parts.rbegin(); part != list_.parts.rend(); ++part) {
    const std::string name = (*part)->name();
    if (record.begun.contains(name)) {
      at_step("cleanup " + name);
      co_await (*part)->cleanup(container);
      at_step("cleanup " + name + " done");
      record.begun.erase(name);
      co_await save_or_log(container);  // without room on the disk a container can still be destroyed
    }
    (*part)->release(container);
  }
  at_step("remove record");
  co_await journal_.remove(container);
}

}  // namespace rivera::garden
