// Holding a Locket lock: what makes one of several BBSes or auctioneers the active one.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/asio.h"
#include "base/boot_clock.h"
#include "base/log/log.h"
#include "clients/locket/locket_client.h"

namespace rivera::clients {

struct LockKeeperOptions {
  std::string key = {};    // "bbs", "auctioneer"
  std::string owner = {};  // unique to this process or instance: the configuration's `uuid`
  std::string value = {};
  LocketType type = LocketType::kLock;
  std::chrono::seconds ttl{15};
  // Between calls, counted from the last answer; at most a third of the TTL is waited once the lock is held.
  std::chrono::nanoseconds retry_interval = std::chrono::seconds(5);
};

// Takes a lock, refreshes it, and tells when it is lost (docs/spec/locket-and-auction.md §1.14).
//
//   LockKeeper keeper(executor, locket, {.key = "auctioneer", .owner = uuid}, logger);
//   co_await keeper.acquire();          // waits as long as another holds it
//   ... serve; co_await keeper.lost();  // returns when the lock is gone: stop at once
//   co_await keeper.release();          // on a clean stop
//
// A refresh that fails because Locket cannot be reached is tried again as long as the lock is certainly still ours:
// until `ttl` after the start of the last successful refresh, less a margin of a tenth of it. A collision loses it at
// once. Unlike upstream, which exits at the first failed refresh, a restart of Locket is thus survived, and for no
// longer than is safe: Locket's own count begins after ours, and the margin covers clocks that differ by a tenth.
//
// Lives on `executor` (a strand or a single-threaded context), but valid_until() and is_held() may be asked from any
// thread.
class LockKeeper {
 public:
  LockKeeper(asio::any_io_executor executor, LocketClient& locket, LockKeeperOptions options, base::Logger logger);
  // Stops refreshing; does not release.
  ~LockKeeper();

  // Returns when the lock is held, and starts to refresh it. Throws only on cancellation. Call it once.
  asio::awaitable<void> acquire();

  // Returns when a held lock is lost (at once if it is). After release() it never returns.
  asio::awaitable<void> lost();

  // Stops refreshing and gives the lock up; failures are logged only. At most 5 s. Without effect if it was never held.
  asio::awaitable<void> release();

  // The lock is ours at this moment, by our own clock.
  bool is_held() const;

  // Until when the lock is ours even if nothing more is heard from Locket: work that must be fenced is finished before
  // this. Counted on a clock that runs while the machine is suspended.
  base::BootClock::time_point valid_until() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace rivera::clients
