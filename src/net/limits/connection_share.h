// How many connections a server has with its clients, and which of them end when there are too many.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace rivera::net {

// Percentages of the descriptors that a process may have. The rest is for its own connections to others, and files.
inline constexpr unsigned kClientShare = 45;
inline constexpr unsigned kOperatorShare = 2;  // of each listener for health checks and operators: a reserve of its own

// At least one, at most `most`. By the limit of descriptors at the time of the call.
std::size_t connection_share(unsigned percent, std::size_t most);

struct IdleConnection {
  std::chrono::steady_clock::time_point since;
  std::uint64_t id = 0;
};

// Which connections to close when there are more than `limit`: those that have been idle for the longest time. Some at
// once, so that a server that is full does not look through all of them for each new one.
std::vector<std::uint64_t> longest_idle(std::vector<IdleConnection> idle, std::size_t limit);

}  // namespace rivera::net
