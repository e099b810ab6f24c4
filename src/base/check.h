// Assertions that hold in release builds too.
#pragma once

namespace rivera::base {

// Writes what failed, where, and the stack to standard error, and aborts. Allocates nothing.
[[noreturn]] void fail_check(const char* condition, const char* what, const char* file, int line) noexcept;

// Called by fail_check() before it aborts, at most once: for what must still be written. Null: nothing.
void set_last_act(void (*act)() noexcept) noexcept;

}  // namespace rivera::base

// For preconditions and invariants whose violation would spread a wrong state (into a store, or to other processes).
// `what` is a string literal that states what must hold. `condition` is always evaluated. Never for what comes from
// outside: that is refused with an error.
#define RIVERA_CHECK(condition, what)                                   \
  do {                                                                  \
    if (!(condition)) [[unlikely]]                                      \
      ::rivera::base::fail_check(#condition, what, __FILE__, __LINE__); \
  } while (false)
