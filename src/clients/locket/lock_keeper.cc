#include "clients/locket/lock_keeper.h"

#include <algorithm>
#include <atomic>

#include "base/work/task_group.h"
#include "base/work/wait.h"

namespace rivera::clients {
namespace {

using base::BootClock;
using Instant = BootClock::time_point;

constexpr auto kReleaseLimit = std::chrono::seconds(5);
// At most how long a standby waits between attempts.
constexpr auto kStandbyInterval = std::chrono::seconds(1);
// How soon a refresh that got no answer is made again.
constexpr auto kQuickInterval = std::chrono::milliseconds(250);
// A healthy Locket answers within milliseconds. What takes longer than this, or than an eighth of the time to
// live, is better asked again: there is time for several attempts, and for another Locket's address.
constexpr std::chrono::nanoseconds kShortestCall = std::chrono::seconds(1);

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

  bool is_held() const { return BootClock::now() < valid_until.load(); }

  std::chrono::nanoseconds time_left() const { return valid_until.load() - BootClock::now(); }

  // However long an interval is configured, three refreshes fit into the time to live.
  std::chrono::nanoseconds refresh_interval() const {
    return std::min(options.retry_interval, std::chrono::nanoseconds(options.ttl) / 3);
  }

  std::chrono::nanoseconds call_limit() const {
    return std::max<std::chrono::nanoseconds>(kShortestCall, std::chrono::nanoseconds(options.ttl) / 8);
  }

  asio::awaitable<Attempt> attempt(std::chrono::nanoseconds timeout) {
    const Instant started = BootClock::now();
    Attempt result;
    try {
      co_await locket.lock(resource(), options.ttl, timeout);
      // A lock that had run out meanwhile may have been another's in between: it is not the same any more.
      const bool is_whole = state != State::kHeld || is_held();
      // Counted from before the call: Locket's own count begins later.
      if (is_whole) valid_until = started + options.ttl - std::chrono::nanoseconds(options.ttl) / 10;
      result.held = is_whole && is_held();
      if (!result.held) result.failure = "the answer took longer than the lock lasts";
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
      const Attempt attempt = co_await self->attempt(self->call_limit());
      if (attempt.held) break;
      if (first) {
        co_await self->log_first_failure(attempt);
      } else if (!attempt.collision) {
        self->logger.error("failed-to-acquire-lock", {{"error", attempt.failure}});
      }
      co_await base::sleep_for(std::min<std::chrono::nanoseconds>(self->options.retry_interval, kStandbyInterval));
    }
    self->state = State::kHeld;
    self->logger.info("acquired-lock");
    self->tasks.spawn_critical("lock-refresh", refresh(self));
  }

  static asio::awaitable<void> refresh(std::shared_ptr<Impl> self) {
    std::chrono::nanoseconds pause = self->refresh_interval();
    while (true) {
      co_await base::sleep_for(std::clamp(self->time_left(), std::chrono::nanoseconds(0), pause));
      const std::chrono::nanoseconds left = self->time_left();
      if (left.count() <= 0) {
        self->lose("no refresh succeeded in time");
        co_return;
      }
      const Attempt attempt = co_await self->attempt(std::min(left, self->call_limit()));
      if (attempt.collision) {
        self->lose(attempt.failure);
        co_return;
      }
      if (!attempt.held) self->logger.error("failed-to-refresh-lock", {{"error", attempt.failure}});
      pause = attempt.held ? self->refresh_interval()
                           : std::min<std::chrono::nanoseconds>(self->refresh_interval(), kQuickInterval);
    }
  }

  void lose(const std::string& reason) {
    valid_until = Instant();
    state = State::kLost;
    logger.error("lost-lock", {{"error", reason}});
    changed.notify_all();
  }

  static asio::awaitable<void> release(std::shared_ptr<Impl> self) {
    const bool tried = self->state == State::kWaiting || self->state == State::kHeld;
    if (self->state != State::kLost) self->state = State::kReleased;
    self->valid_until = Instant();
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
  std::atomic<Instant> valid_until{Instant()};
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

base::BootClock::time_point LockKeeper::valid_until() const { return impl_->valid_until.load(); }

}  // namespace rivera::clients
