#include "base/process/resources.h"

#include <algorithm>
#include <limits>
#include <malloc.h>
#include <sys/resource.h>

namespace rivera::base {

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

}  // namespace rivera::base
