// What libFuzzer calls: one target, chosen by the build.
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>

#include "targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    rivera::fuzz::RIVERA_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  } catch (const std::exception& e) {
    rivera::fuzz::broken(std::string("only the exceptions that its header names leave a reader: ") + e.what());
  }
  return 0;
}
