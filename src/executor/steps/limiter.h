// A counting semaphore for coroutines.
#pragma once

#include <memory>
#include <utility>

#include "base/work/wait.h"

namespace rivera::executor {

// Used on one strand. Must outlive its slots.
class Limiter {
 public:
  Limiter(asio::any_io_executor executor, std::size_t slots) : freed_(std::move(executor)), free_(slots) {}

  class Slot {
   public:
    Slot() = default;
    explicit Slot(Limiter* of) : of_(of) {}
    Slot(Slot&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    Slot& operator=(Slot&&) = delete;
    ~Slot() {
      if (of_) of_->release();
    }

   private:
    Limiter* of_ = nullptr;
  };

  // Waits for a slot. Cancellable.
  asio::awaitable<Slot> acquire() {
    while (free_ == 0) co_await freed_.wait();
    --free_;
    co_return Slot(this);
  }

  std::size_t free() const { return free_; }

 private:
  void release() {
    ++free_;
    freed_.notify_all();
  }

  base::Condition freed_;
  std::size_t free_;
};

}  // namespace rivera::executor
