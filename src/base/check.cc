#include "base/check.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <execinfo.h>
#include <unistd.h>

namespace rivera::base {
namespace {

std::atomic<void (*)() noexcept> last_act{nullptr};

// "src/bbs/records/records.cc" of the path that the compiler was given.
const char* below_root(const char* path) {
  const char* found = path;
  for (const char* at = path; (at = std::strstr(at, "/src/")) != nullptr; ++at) found = at + 1;
  return found;
}

// backtrace() loads a library at its first call, which allocates: that must not happen when memory is corrupt.
const int stack_library_is_loaded = [] {
  void* frame = nullptr;
  return ::backtrace(&frame, 1);
}();

}  // namespace

void set_last_act(void (*act)() noexcept) noexcept { last_act = act; }

void fail_check(const char* condition, const char* what, const char* file, int line) noexcept {
  char text[512];
  const int length =
      std::snprintf(text, sizeof text, "check failed: %s (%s) at %s:%d\n", what, condition, below_root(file), line);
  const auto size = std::min(static_cast<std::size_t>(std::max(length, 0)), sizeof text - 1);
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text, size);
  void* frames[64];
  const int count = ::backtrace(frames, 64);
  ::backtrace_symbols_fd(frames, count, STDERR_FILENO);
  if (const auto act = last_act.exchange(nullptr)) act();
  std::abort();
}

}  // namespace rivera::base
