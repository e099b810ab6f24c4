#include "base/process/resources.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

namespace rivera::base {
namespace {

constexpr std::size_t kWorthALook = 2 * FreeMemoryWatch::kMuch;  // growth since memory was returned last
constexpr int kPauseFactor = 1000;                               // between two looks, of what the last one took

// Bytes that are resident and not a file's.
std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0, resident = 0, shared = 0;
  file >> all >> resident >> shared;
  return (resident - std::min(resident, shared)) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// Freed, and kept by the allocator.
std::size_t free_bytes() { return ::mallinfo2().fordblks; }

}  // namespace

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::size_t descriptor_limit() {
  constexpr std::size_t kUsual = 1024;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kUsual;
  return std::min<std::size_t>(limit.rlim_cur, std::numeric_limits<int>::max());
}

void return_free_memory() { ::malloc_trim(0); }

// Pages that were returned are still counted as free: what is resident says whether there is more to return.
FreeMemoryWatch::FreeMemoryWatch(std::chrono::milliseconds interval)
    : thread_([this, interval, before = resident_bytes()](const std::stop_token& end) mutable {
        using Clock = std::chrono::steady_clock;
        std::unique_lock lock(mutex_);
        for (Clock::duration pause = interval; !end.stop_requested();) {
          ended_.wait_for(lock, end, pause, [] { return false; });
          if (end.stop_requested()) return;
          pause = interval;
          const std::size_t now = resident_bytes();
          before = std::min(before, now);
          if (now - before < kWorthALook) continue;
          const auto began = Clock::now();
          if (free_bytes() >= kMuch) {
            return_free_memory();
            before = resident_bytes();
          }
          pause = std::max<Clock::duration>(interval, kPauseFactor * (Clock::now() - began));
        }
      }) {}

FreeMemoryWatch::~FreeMemoryWatch() = default;

}  // namespace rivera::base
