#include "base/work/wait.h"

#include <boost/asio/redirect_error.hpp>
#include <fmt/format.h>

#include "base/duration.h"

namespace rivera::base {

asio::awaitable<void> sleep_for(std::chrono::nanoseconds duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor, duration);
  co_await timer.async_wait(asio::use_awaitable);
}

Condition::Condition(asio::any_io_executor executor) : timer_(executor) {
  timer_.expires_at(asio::steady_timer::time_point::max());
}

asio::awaitable<void> Condition::wait() {
  error_code ec;  // notify_all() ends the wait with operation_aborted
  co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  if (is_cancelled(cancellation)) throw_cancellation();
}

asio::awaitable<bool> Condition::wait_for(std::chrono::nanoseconds timeout) {
  struct Progress {
    bool expired = false;
    bool over = false;  // the wait has ended: the timer's handler may already be queued and must not touch us
  };
  auto progress = std::make_shared<Progress>();
  asio::steady_timer deadline(co_await asio::this_coro::executor, timeout);
  deadline.async_wait([this, progress](error_code ec) {
    if (ec || progress->over) return;
    progress->expired = true;
    notify_all();
  });
  try {
    co_await wait();
  } catch (...) {
    progress->over = true;
    throw;
  }
  progress->over = true;
  co_return !progress->expired;
}

void Condition::notify_all() { timer_.cancel(); }

std::string deadline_message(const std::string& what, std::chrono::nanoseconds limit) {
  return fmt::format("{}: no answer within {}", what, format_go_duration(limit));
}

}  // namespace rivera::base
