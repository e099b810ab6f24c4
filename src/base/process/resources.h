// What the operating system grants this process.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>

namespace rivera::base {

// Raises the soft limit of open descriptors to the hard one. Child processes inherit it.
void raise_descriptor_limit();

// How many descriptors (files, sockets, pipes) this process may have open.
std::size_t descriptor_limit();

// Returns memory that was freed to the operating system, which the allocator does not always do by itself. Takes
// milliseconds: for the time after much was freed.
void return_free_memory();

// Returns it when there is much of it: after a crowd of connections, a flood of handshakes, one large answer, whatever
// held it. A thread looks every few seconds, which costs it a thousandth of its time at most. Every Program has one.
class FreeMemoryWatch {
 public:
  static constexpr std::size_t kMuch = 16u << 20;  // free bytes that are kept without need

  explicit FreeMemoryWatch(std::chrono::milliseconds interval = std::chrono::seconds(5));
  ~FreeMemoryWatch();
  FreeMemoryWatch(const FreeMemoryWatch&) = delete;
  FreeMemoryWatch& operator=(const FreeMemoryWatch&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable_any ended_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace rivera::base
