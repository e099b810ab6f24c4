#include "base/work/first_success.h"

#include <exception>
#include <memory>

#include "base/work/cancellation.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"

namespace rivera::base {
namespace {

struct Race {
  explicit Race(asio::any_io_executor executor) : changed(std::move(executor)) {}
  Condition changed;
  bool is_won = false;
  std::size_t failed = 0;
  std::exception_ptr last_failure;
};

asio::awaitable<void> take_part(std::shared_ptr<Race> race, asio::awaitable<void> attempt) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  std::exception_ptr failure;
  try {
    co_await std::move(attempt);
  } catch (...) {
    failure = std::current_exception();
  }
  if (is_cancelled(cancellation)) co_return;
  if (failure) {
    ++race->failed;
    race->last_failure = failure;
  } else {
    race->is_won = true;
  }
  race->changed.notify_all();
}

}  // namespace

asio::awaitable<void> first_success(std::size_t count, std::chrono::nanoseconds stagger,
                                    std::function<asio::awaitable<void>(std::size_t)> attempt) {
  if (count == 1) {
    co_await attempt(0);
    co_return;
  }
  const auto executor = co_await asio::this_coro::executor;
  auto race = std::make_shared<Race>(executor);
  TaskGroup running(executor, Logger::discard());
  auto next_start = std::chrono::steady_clock::now();
  std::size_t started = 0;
  while (!race->is_won) {
    if (race->failed == count) std::rethrow_exception(race->last_failure);
    const auto left = next_start - std::chrono::steady_clock::now();
    if (started < count && (left.count() <= 0 || race->failed == started)) {
      running.spawn("attempt", take_part(race, attempt(started)));
      ++started;
      next_start = std::chrono::steady_clock::now() + stagger;
    } else if (started < count) {
      co_await race->changed.wait_for(left);
    } else {
      co_await race->changed.wait();
    }
  }
  running.cancel();
}

}  // namespace rivera::base
