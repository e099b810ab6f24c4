#include "bbs/store/key_rotation_loop.h"

#include "base/work/cancellation.h"

namespace rivera::bbs {

asio::awaitable<void> KeyRotationLoop::run(std::function<void(std::chrono::nanoseconds)> ended) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  const auto started = std::chrono::steady_clock::now();
  try {
    auto asking = [this] { return rotation_.is_needed(); };
    const bool is_needed = co_await workers_.run(std::move(asking));
    if (!is_needed) co_return;
    logger_.info("encrypting-with-the-active-key");
    bool is_unfinished = true;
    while (is_unfinished) {
      auto stepping = [this] { return rotation_.step(); };
      is_unfinished = co_await workers_.run(std::move(stepping));
    }
    logger_.info("finished", {{"columns", rotation_.rotated()}, {"unreadable", rotation_.unreadable()}});
  } catch (const std::exception& e) {
    if (base::is_cancelled(cancellation)) throw;
    logger_.error("failed", {{"error", e.what()}});
  }
  ended(std::chrono::steady_clock::now() - started);
}

}  // namespace rivera::bbs
