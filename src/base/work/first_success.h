// Several alternatives, of which the first that succeeds counts.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>

#include "base/asio.h"

namespace rivera::base {

// Runs `attempt(0)`, `attempt(1)`, ... up to `count` (at least 1) until one of them returns. The next one is started
// `stagger` after the one before it, or as soon as all that run have failed; those that run continue beside it. Returns
// with the first that returns; the others are cancelled, and may be resumed once more after that, so they keep what
// they use. Throws what the last one threw if all fail.
asio::awaitable<void> first_success(std::size_t count, std::chrono::nanoseconds stagger,
                                    std::function<asio::awaitable<void>(std::size_t)> attempt);

}  // namespace rivera::base
