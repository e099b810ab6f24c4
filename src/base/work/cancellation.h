// The one way to distinguish cancellation from failure in a catch.
//
// Asio reports both "this coroutine was cancelled" and "the operation was abandoned for another reason" (a socket was
// closed, a connection's owner ended) as operation_aborted. Which of them a catch must know:
//
// - Code that passes an exception on, or turns it into an error of its own, asks is_cancellation(e): nothing that
//   carries the code is a result or a log line.
// - A loop that continues after a failure asks is_cancelled(state). It stops only if it was cancelled itself; an
//   exception that merely carries the code is a failure like any other:
//
//     const auto cancellation = co_await asio::this_coro::cancellation_state;
//     for (;;) {
//       try {
//         co_await one_round();
//       } catch (const std::exception& e) {
//         if (base::is_cancelled(cancellation)) throw;
//         logger.error("round-failed", {{"error", e.what()}});
//       }
//       co_await base::sleep_for(pause);
//     }
#pragma once

#include <exception>

#include <boost/asio/cancellation_state.hpp>

#include "base/asio.h"

namespace rivera::base {

// Whether an error code, or an exception, carries operation_aborted.
bool is_cancellation(const error_code& code);
bool is_cancellation(const std::exception& e);
bool is_cancellation(const std::exception_ptr& failure);

// Whether the coroutine whose state this is has been cancelled. Valid as long as that coroutine runs.
bool is_cancelled(const asio::cancellation_state& state);

// What a cancelled coroutine throws.
[[noreturn]] void throw_cancellation();

}  // namespace rivera::base
