#include "proxy/memory.h"

#include <cstdint>
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>

namespace proxy {
namespace {

// Segments that are not writable have nothing that their file does not have.
int release_code(dl_phdr_info* info, std::size_t, void*) {
  constexpr std::uintptr_t kPage = 4096;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const std::uintptr_t begin = (info->dlpi_addr + segment.p_vaddr) & ~(kPage - 1);
    const std::uintptr_t end = (info->dlpi_addr + segment.p_vaddr + segment.p_memsz) & ~(kPage - 1);
    if (end > begin) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);  // NOLINT: an address
  }
  return 0;
}

}  // namespace

void release_memory() {
  ::malloc_trim(0);
  ::dl_iterate_phdr(release_code, nullptr);
}

}  // namespace proxy
