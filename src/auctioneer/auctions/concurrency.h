// Runs many small coroutines of one kind with limited concurrency.
#pragma once

#include <functional>

#include "base/asio.h"
#include "base/log/log.h"

namespace rivera::auctioneer {

// Runs work(0) … work(count - 1) on the caller's executor, at most `limit` of them concurrently; returns when all have
// ended. An exception of one is logged and ends that one only. If the caller is cancelled, all are cancelled and
// awaited, so `work` may refer to the caller's locals.
asio::awaitable<void> for_each_concurrently(std::size_t count, std::size_t limit,
                                            std::function<asio::awaitable<void>(std::size_t)> work,
                                            base::Logger logger);

}  // namespace rivera::auctioneer
