// How the gardener destroys a container.
#include "base/work/cancellation.h"
#include "garden/container/failures.h"
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

// What a part has failed to remove does not keep the others from removing theirs (§2.1); the next call continues with
// the parts that are left.
asio::awaitable<void> Gardener::tear_down(Container& container) {
  ContainerRecord& record = container.record;
  record.operation = Operation::kDestroy;
  if (container.has_directory) co_await save_or_log(container);
  Failures failures;
  const auto note = [&failures](const std::exception_ptr& failure) {
    try {
      if (failure) std::rethrow_exception(failure);
    } catch (const std::exception& e) {
      if (base::is_cancellation(e)) throw;
      failures.add(e.what());
    }
  };
  std::exception_ptr failure;
  try {
    // The runtime's part ends every process.
    co_await tear_down_part(container.shared_from_this(), *list_.parts.back());
    co_await tear_down_peas(container);
  } catch (...) {
    failure = std::current_exception();
  }
  note(failure);
  std::vector<asio::awaitable<void>> works;
  for (auto part = list_.parts.rbegin() + 1; part != list_.parts.rend(); ++part) {
    works.push_back(tear_down_part(container.shared_from_this(), **part));
  }
  const auto others = co_await all_at_once(std::move(works));
  for (const auto& one : others) note(one);
  if (!failures.empty()) co_await save_or_log(container);  // without room on the disk it can still be destroyed
  failures.throw_if_any();
  at_step("remove record");
  co_await journal_.remove(container);
}

asio::awaitable<void> Gardener::tear_down_part(ContainerPtr container, Part& part) {
  ContainerRecord& record = container->record;
  const std::string name = part.name();
  if (record.begun.contains(name)) {
    at_step("cleanup " + name);
    co_await part.cleanup(*container);
    at_step("cleanup " + name + " done");
    record.begun.erase(name);
  }
  part.release(*container);
}

asio::awaitable<void> Gardener::tear_down_peas(Container& container) {
  if (container.record.peas.empty()) co_return;
  at_step("cleanup peas");
  co_await processes_.peas().clean_up_all(container.shared_from_this());
}

}  // namespace rivera::garden
