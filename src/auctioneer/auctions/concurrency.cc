#include "auctioneer/auctions/concurrency.h"

#include <algorithm>

#include "base/failure.h"
#include "base/work/cancellation.h"
#include "base/work/task_group.h"

namespace rivera::auctioneer {
namespace {

using Work = std::function<asio::awaitable<void>(std::size_t)>;

// Runs the work of the next position until none is left.
asio::awaitable<void> run_positions(std::size_t& next, std::size_t count, const Work& work,
                                    const base::Logger& logger) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  while (next < count) {
    const std::size_t position = next++;
    std::exception_ptr failure;
    try {
      co_await work(position);
    } catch (...) {
      failure = std::current_exception();
    }
    if (!failure) continue;
    if (base::is_cancelled(cancellation)) std::rethrow_exception(failure);
    logger.error("unexpected-failure", {{"error", base::describe_failure(failure)}});
  }
}

}  // namespace

asio::awaitable<void> for_each_concurrently(std::size_t count, std::size_t limit, Work work, base::Logger logger) {
  if (count == 0) co_return;
  base::TaskGroup group(co_await asio::this_coro::executor, logger);
  std::size_t next = 0;
  const std::size_t runners = std::min(count, std::max<std::size_t>(limit, 1));
  for (std::size_t i = 0; i < runners; ++i) group.spawn("concurrent-work", run_positions(next, count, work, logger));

  std::exception_ptr cancelled;
  try {
    co_await group.join();
  } catch (...) {
    cancelled = std::current_exception();
  }
  if (!cancelled) co_return;
  // The coroutines refer to locals of this one: all must end first.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await group.stop();
  std::rethrow_exception(cancelled);
}

}  // namespace rivera::auctioneer
