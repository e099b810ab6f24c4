#include "base/work/task_group.h"

#include <exception>
#include <list>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>

#include "base/failure.h"
#include "base/log/end_process.h"
#include "base/work/cancellation.h"
#include "base/work/wait.h"

namespace rivera::base {

struct TaskGroup::State {
  State(asio::any_io_executor ex, Logger log) : executor(ex), logger(std::move(log)), ended(ex) {}

  void report(const std::string& name, bool is_critical, const std::exception_ptr& failure) const {
    if (cancelled && is_cancellation(failure)) return;
    if (is_critical && !cancelled) end_process(logger, name + ".failed", describe_failure(failure));
    logger.error(name + ".failed", {{"error", describe_failure(failure)}});
  }

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

void TaskGroup::spawn(std::string name, asio::awaitable<void> work) { start(std::move(name), std::move(work), false); }

void TaskGroup::spawn_critical(std::string name, asio::awaitable<void> work) {
  start(std::move(name), std::move(work), true);
}

void TaskGroup::start(std::string name, asio::awaitable<void> work, bool is_critical) {
  if (state_->cancelled) return;
  auto entry = state_->running.emplace(state_->running.end());
  auto on_end = [state = state_, entry, name = std::move(name), is_critical](std::exception_ptr failure) {
    state->running.erase(entry);
    state->ended.notify_all();
    if (failure) state->report(name, is_critical, failure);
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
  const auto state = state_;  // `this` may be destroyed while we wait
  while (!state->running.empty()) co_await state->ended.wait();
}

asio::awaitable<void> TaskGroup::stop() {
  cancel();
  co_await join();
}

}  // namespace rivera::base
