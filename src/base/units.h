// Sizes by name.
#pragma once

#include <cstdint>

namespace rivera::base {

inline constexpr std::uint64_t kKibibyte = 1024;
inline constexpr std::uint64_t kMebibyte = 1024 * kKibibyte;

}  // namespace rivera::base
