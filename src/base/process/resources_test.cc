#include "base/process/resources.h"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdexcept>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "base/files.h"

namespace rivera::base {
namespace {

using namespace std::chrono_literals;

std::size_t resident_pages() {
  // Without a stream: a sanitizer would keep the memory of each.
  const UniqueFd file(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  char text[128] = {};
  if (::read(file.get(), text, sizeof text - 1) <= 0) throw std::runtime_error("cannot read /proc/self/statm");
  char* rest = nullptr;
  std::strtoull(text, &rest, 10);
  return std::strtoull(rest, nullptr, 10);
}

// The C library's own: a sanitizer keeps what is freed.
template <typename Function>
Function* in_c_library(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_DEFAULT, name));
}

TEST(FreeMemoryWatch, ReturnsWhatWasFreedBelowABlockThatIsStillInUse) {
  constexpr std::size_t kBlock = 4000, kBlocks = 25'000;
  auto* const allocate = in_c_library<void*(std::size_t)>("__libc_malloc");
  auto* const release = in_c_library<void(void*)>("__libc_free");
  ASSERT_TRUE(allocate != nullptr && release != nullptr);
  const FreeMemoryWatch watch(10ms);
  std::vector<void*> blocks(kBlocks);
  for (void*& block : blocks) {
    block = allocate(kBlock);
    std::memset(block, 1, kBlock);
  }
  const std::size_t full = resident_pages();
  for (std::size_t i = 0; i + 1 < blocks.size(); ++i) release(blocks[i]);
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (resident_pages() + 20'000 > full) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << resident_pages() << " of " << full << " pages";
    std::this_thread::yield();
  }
  release(blocks.back());
}

}  // namespace
}  // namespace rivera::base
