// Times that do not fall together.
#pragma once

#include <chrono>
#include <random>

namespace rivera::base {

// `duration` a quarter shorter to a quarter longer, at random: what several processes do at the same interval they then
// do not do in step. Any thread.
inline std::chrono::nanoseconds jittered(std::chrono::nanoseconds duration) {
  thread_local std::mt19937 engine{std::random_device{}()};
  std::uniform_real_distribution<double> part(0.75, 1.25);
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(duration) * part(engine));
}

}  // namespace rivera::base
