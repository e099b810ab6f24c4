// Sizes by name.
#pragma once

#include <cstdint>

namespace rivera::base {

inline constexpr std::uint64_t kMebibyte = 1024 * 1024;

}  // namespace rivera::base
