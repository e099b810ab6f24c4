#include "base/work/task_group.h"

#include <exception>
#include <list>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>

#include "base/work/wait.h"

namespace rivera::base {

struct TaskGroup::State {
  State(asio::any_io_executor ex, Logger log) : executor(ex), logger(std::move(log)), ended(ex) {}

  asio::any_io_executor executor;
  Logger logger;
  Condition ended;
  std::list<asio::cancellation_signal> running;
  bool cancelled = false;
};

TaskGroup::TaskGroup(asio::any_io_executor executor, Logger logger)
    : state_(std::make_shared<State>(std::move(executor), std::move(logger))) {}

TaskGroup::~TaskGroup() { cancel(); }

std::size_t TaskGroup::size() const { return state_->running.size(); }

void TaskGroup::spawn(std::string name, asio::awaitable<void> work) {
  if (state_->cancelled) return;
  auto entry = state_->running.emplace(state_->running.end());
  auto on_end = [state = state_, entry, name = std::move(name)](std::exception_ptr failure) {
    state->running.erase(entry);
    state->ended.notify_all();
    if (!failure) return;
    try {
      std::rethrow_exception(failure);
    } catch (const boost::system::system_error& e) {
      if (e.code() == asio::error::operation_aborted) return;
      state->logger.error(name + ".failed", {{"error", e.what()}});
    } catch (const std::exception& e) {
      state->logger.error(name + ".failed", {{"error", e.what()}});
    }
  };
  asio::co_spawn(state_->executor, std::move(work), asio::bind_cancellation_slot(entry->slot(), std::move(on_end)));
}

void TaskGroup::cancel() {
  state_->cancelled = true;
  // Emitting may end a coroutine on the spot, which takes its entry out of the list: step on before it does.
  for (auto it = state_->running.begin(); it != state_->running.end();) {
    auto current = it++;
    current->emit(asio::cancellation_type::terminal);
  }
}

asio::awaitable<void> TaskGroup::join() {
  const auto state = state_;  // `this` may go while we wait
  while (!state->running.empty()) co_await state->ended.wait();
}

asio::awaitable<void> TaskGroup::stop() {
  cancel();
  co_await join();
}

}  // namespace rivera::base
