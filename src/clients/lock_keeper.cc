#include "clients/lock_keeper.h"

#include <algorithm>
#include <atomic>

#include "base/task_group.h"
#include "base/wait.h"

namespace rivera::clients {
namespace {

using Instant = std::chrono::steady_clock::time_point;

constexpr auto kReleaseLimit = std::chrono::seconds(5);
// How soon a call that got no answer is made again, and at most how long a standby waits between attempts.
constexpr auto kShortInterval = std::chrono::seconds(1);

// What came of one attempt.
struct Attempt {
  bool held = false;
  bool collision = false;
  std::string failure = {};
};

}  // namespace

class LockKeeper::Impl {
 public:
  enum class State { kIdle, kWaiting, kHeld, kLost, kReleased };

  Impl(asio::any_io_executor executor, LocketClient& client, LockKeeperOptions given, const base::Logger& log)
      : locket(client),
        options(std::move(given)),
        logger(log.session("lock", {{"key", options.key}, {"owner", options.owner}})),
        tasks(executor, logger),
        changed(executor) {}

  LocketResource resource() const { return {options.key, options.owner, options.value, options.type, ""}; }

  bool is_held() const { return std::chrono::steady_clock::now() < valid_until.load(); }

  asio::awaitable<Attempt> attempt(std::chrono::nanoseconds timeout) {
    const Instant started = std::chrono::steady_clock::now();
    Attempt result;
    try {
      co_await locket.lock(resource(), options.ttl, timeout);
      // Counted from before the call: Locket's own count begins later.
      valid_until = started + options.ttl - std::chrono::duration_cast<Instant::duration>(options.ttl) / 10;
      result.held = is_held();
      if (!result.held) result.failure = "the answer took longer than the lock's time to live";
    } catch (const LocketError& e) {
      result.collision = e.is_collision();
      result.failure = e.what();
    }
    co_return result;
  }

  // Says who is in our way; once, since waiting is a standby's normal life.
  asio::awaitable<void> log_first_failure(Attempt failed) {
    std::string holder;
    if (failed.collision) {
      try {
        const auto found = co_await locket.fetch(options.key);
        if (found) holder = found->owner;
      } catch (const LocketError&) {
        holder = "unknown";
      }
    }
    logger.info("failed-to-acquire-lock", {{"lock-owner", holder}, {"error", failed.failure}});
  }

  static asio::awaitable<void> acquire(std::shared_ptr<Impl> self) {
    self->state = State::kWaiting;
    for (bool first = true;; first = false) {
      const Attempt attempt = co_await self->attempt(self->options.ttl);
      if (attempt.held) break;
      if (first) {
        co_await self->log_first_failure(attempt);
      } else if (!attempt.collision) {
        self->logger.error("failed-to-acquire-lock", {{"error", attempt.failure}});
      }
      co_await base::sleep_for(std::min<std::chrono::nanoseconds>(self->options.retry_interval, kShortInterval));
    }
    self->state = State::kHeld;
    self->logger.info("acquired-lock");
    self->tasks.spawn("lock-refresh", refresh(self));
  }

  static asio::awaitable<void> refresh(std::shared_ptr<Impl> self) {
    std::chrono::nanoseconds pause = self->options.retry_interval;
    while (true) {
      const std::chrono::nanoseconds before = self->valid_until.load() - std::chrono::steady_clock::now();
      co_await base::sleep_for(std::max(std::chrono::nanoseconds(0), std::min(pause, before)));
      const std::chrono::nanoseconds left = self->valid_until.load() - std::chrono::steady_clock::now();
      if (left.count() <= 0) {
        self->lose("no refresh succeeded in time");
        co_return;
      }
      const auto limit = std::max<std::chrono::nanoseconds>(self->options.retry_interval, kShortInterval);
      const Attempt attempt = co_await self->attempt(std::min(left, limit));
      if (attempt.collision) {
        self->lose(attempt.failure);
        co_return;
      }
      if (!attempt.held) self->logger.error("failed-to-refresh-lock", {{"error", attempt.failure}});
      pause = attempt.held ? self->options.retry_interval : std::chrono::nanoseconds(kShortInterval) / 4;
    }
  }

  void lose(const std::string& reason) {
    valid_until = Instant::min();
    state = State::kLost;
    logger.error("lost-lock", {{"error", reason}});
    changed.notify_all();
  }

  static asio::awaitable<void> release(std::shared_ptr<Impl> self) {
    const bool tried = self->state == State::kWaiting || self->state == State::kHeld;
    if (self->state != State::kLost) self->state = State::kReleased;
    self->valid_until = Instant::min();
    co_await self->tasks.stop();
    if (!tried) co_return;
    try {
      co_await self->locket.release(self->resource(), kReleaseLimit);
      self->logger.info("released-lock");
    } catch (const LocketError& e) {
      self->logger.error("failed-to-release-lock", {{"error", e.what()}});
    }
  }

  LocketClient& locket;
  LockKeeperOptions options;
  base::Logger logger;
  base::TaskGroup tasks;
  base::Condition changed;
  State state = State::kIdle;
  std::atomic<Instant> valid_until{Instant::min()};
};

LockKeeper::LockKeeper(asio::any_io_executor executor, LocketClient& locket, LockKeeperOptions options,
                       base::Logger logger)
    : impl_(std::make_shared<Impl>(std::move(executor), locket, std::move(options), logger)) {}

LockKeeper::~LockKeeper() { impl_->tasks.cancel(); }

asio::awaitable<void> LockKeeper::acquire() { return Impl::acquire(impl_); }

asio::awaitable<void> LockKeeper::lost() {
  const auto impl = impl_;
  while (impl->state != Impl::State::kLost) co_await impl->changed.wait();
}

asio::awaitable<void> LockKeeper::release() { return Impl::release(impl_); }

bool LockKeeper::is_held() const { return impl_->is_held(); }

std::chrono::steady_clock::time_point LockKeeper::valid_until() const { return impl_->valid_until.load(); }

}  // namespace rivera::clients
