#include "executor/identity/key_pool.h"

#include "base/work/cancellation.h"

namespace rivera::executor {

KeyPool::KeyPool(asio::any_io_executor executor, base::WorkerPool& workers, std::size_t stock, base::Logger logger,
                 Make make)
    : workers_(workers),
      stock_(stock),
      logger_(logger.session("key-pool")),
      make_(std::move(make)),
      tasks_(std::move(executor), logger_) {}

void KeyPool::start() {
  is_started_ = true;
  if (!std::exchange(is_filling_, true)) tasks_.spawn("make-keys", fill());
}

asio::awaitable<void> KeyPool::stop() {
  is_started_ = false;
  co_await tasks_.stop();
}

asio::awaitable<net::FreshKey> KeyPool::take() {
  net::FreshKey key;
  if (keys_.empty()) {
    auto make = make_;
    key = co_await workers_.run(std::move(make));
  } else {
    key = std::move(keys_.back());
    keys_.pop_back();
  }
  if (is_started_) start();
  co_return key;
}

asio::awaitable<void> KeyPool::fill() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  try {
    while (keys_.size() < stock_) {
      auto make = make_;
      keys_.push_back(co_await workers_.run(std::move(make)));
    }
  } catch (const std::exception& e) {
    is_filling_ = false;
    if (base::is_cancelled(cancellation)) throw;
    logger_.error("failed-to-make-key", {{"error", e.what()}});
  }
  is_filling_ = false;
}

}  // namespace rivera::executor
