// Many small coroutines of one kind, so many at a time.
#pragma once

#include <functional>

#include "base/asio.h"
#include "base/log/log.h"

namespace rivera::auctioneer {

// Runs work(0) … work(count - 1), at most `limit` at the same time, on the caller's executor; returns when all have
// ended. What one of them throws is logged and ends that one only. If the caller is cancelled, all are cancelled and
// awaited, so `work` may refer to the caller's locals.
asio::awaitable<void> for_each_at_once(std::size_t count, std::size_t limit,
                                       std::function<asio::awaitable<void>(std::size_t)> work, base::Logger logger);

}  // namespace rivera::auctioneer
