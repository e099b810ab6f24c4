#include "base/process/resources.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

namespace rivera::base {
namespace {

constexpr int kPauseFactor = 1000;  // between two looks, of what the last one took

// Bytes that are resident and not a file's.
std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0, resident = 0, shared = 0;
  file >> all >> resident >> shared;
  return (resident - std::min(resident, shared)) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// Resident, and not in use by what was allocated: what the allocator keeps, and a rest that hardly changes (stacks, the
// programs' own data).
std::size_t idle_bytes() {
  const struct mallinfo2 allocated = ::mallinfo2();
  const std::size_t resident = resident_bytes(), used = allocated.uordblks + allocated.hblkhd;
  return resident - std::min(resident, used);
}

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

FreeMemoryWatch::FreeMemoryWatch(std::chrono::milliseconds interval)
    : thread_([this, interval, kept = idle_bytes()](const std::stop_token& end) mutable {
        using SteadyClock = std::chrono::steady_clock;
        std::unique_lock lock(mutex_);
        for (SteadyClock::duration pause = interval; !end.stop_requested();) {
          ended_.wait_for(lock, end, pause, [] { return false; });
          if (end.stop_requested()) return;
          const auto began = SteadyClock::now();
          const std::size_t idle = idle_bytes();
          kept = std::min(kept, idle);
          if (idle - kept >= kMuch) {
            return_free_memory();
            kept = idle_bytes();
          }
          pause = std::max<SteadyClock::duration>(interval, kPauseFactor * (SteadyClock::now() - began));
        }
      }) {}

FreeMemoryWatch::~FreeMemoryWatch() = default;

}  // namespace rivera::base
