#include "clients/locket/presence_keeper.h"

#include <algorithm>

#include "base/work/task_group.h"
#include "base/work/wait.h"

namespace rivera::clients {
namespace {

constexpr auto kPresenceReleaseLimit = std::chrono::seconds(5);
// Leaves time, within the usual time to live of 15 s, for a second attempt and one on another Locket.
constexpr auto kCallLimit = std::chrono::seconds(3);
constexpr auto kFirstRetryInterval = std::chrono::seconds(1);

}  // namespace

class PresenceKeeper::Impl {
 public:
  Impl(asio::any_io_executor executor, LocketClient& client, PresenceKeeperOptions given, const base::Logger& log)
      : locket(client),
        options(std::move(given)),
        logger(log.session("presence", {{"key", options.key}, {"owner", options.owner}})),
        tasks(executor, logger),
        changed(executor) {}

  LocketResource resource() const { return {options.key, options.owner, options.value, LocketType::kPresence, ""}; }

  // A presence that is not refreshed within its time to live looks like a lost cell.
  std::chrono::nanoseconds longest_pause() const {
    if (!is_established) return kFirstRetryInterval;
    return std::chrono::nanoseconds(options.ttl) / 3;
  }

  static asio::awaitable<void> keep(std::shared_ptr<Impl> self) {
    while (true) {
      self->refresh_at_once = false;
      co_await self->refresh();
      const std::chrono::nanoseconds pause =
          std::min<std::chrono::nanoseconds>(self->options.retry_interval, self->longest_pause());
      const auto until = std::chrono::steady_clock::now() + pause;
      while (!self->refresh_at_once && std::chrono::steady_clock::now() < until) {
        co_await self->changed.wait_for(until - std::chrono::steady_clock::now());
      }
    }
  }

  asio::awaitable<void> refresh() {
    std::string failure;
    bool collision = false;
    try {
      co_await locket.lock(resource(), options.ttl, std::min<std::chrono::nanoseconds>(options.ttl, kCallLimit));
    } catch (const LocketError& e) {
      failure = e.what();
      collision = e.is_collision();
    }
    if (failure.empty()) {
      if (!is_established) logger.info("acquired-presence");
      is_established = was_established = true;
      changed.notify_all();
      co_return;
    }
    if (is_established) {
      logger.error("lost-presence", {{"error", failure}});
    } else if (!collision || !has_failed) {
      logger.error("failed-to-acquire-presence", {{"error", failure}});
    }
    is_established = false;
    has_failed = true;
  }

  static asio::awaitable<void> release(std::shared_ptr<Impl> self) {
    co_await self->tasks.stop();
    self->is_established = false;
    try {
      co_await self->locket.release(self->resource(), kPresenceReleaseLimit);
      self->logger.info("released-presence");
    } catch (const LocketError& e) {
      self->logger.error("failed-to-release-presence", {{"error", e.what()}});
    }
  }

  LocketClient& locket;
  PresenceKeeperOptions options;
  base::Logger logger;
  base::TaskGroup tasks;
  base::Condition changed;
  bool is_established = false;
  bool was_established = false;
  bool has_failed = false;
  bool refresh_at_once = false;
};

PresenceKeeper::PresenceKeeper(asio::any_io_executor executor, LocketClient& locket, PresenceKeeperOptions options,
                               base::Logger logger)
    : impl_(std::make_shared<Impl>(std::move(executor), locket, std::move(options), logger)) {}

PresenceKeeper::~PresenceKeeper() { impl_->tasks.cancel(); }

void PresenceKeeper::start() { impl_->tasks.spawn_critical("presence-refresh", Impl::keep(impl_)); }

asio::awaitable<void> PresenceKeeper::established() {
  const auto impl = impl_;
  while (!impl->was_established) co_await impl->changed.wait();
}

bool PresenceKeeper::is_established() const { return impl_->is_established; }

void PresenceKeeper::set_value(std::string value) {
  impl_->options.value = std::move(value);
  impl_->refresh_at_once = true;
  impl_->changed.notify_all();
}

asio::awaitable<void> PresenceKeeper::release() { return Impl::release(impl_); }

}  // namespace rivera::clients
