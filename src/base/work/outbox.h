// A queue from threads that must not wait to a slower one that sends.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

namespace rivera::base {

// A bounded buffer between any number of threads that never wait and one that does. When full, it drops the oldest: new
// items matter more. May be used from any thread; take() blocks, so it belongs on a thread of one's own.
template <typename T>
class Outbox {
 public:
  // Bounds of what waits, and of one take(): a number of items and the sum of their weights (for example bytes). An
  // item alone may weigh more than a take's bound.
  struct Bounds {
    std::size_t items = 0;
    std::size_t weight = 0;
  };

  explicit Outbox(Bounds bounds) : bounds_(bounds) {}

  // Nothing happens once it is closed.
  void push(T item, std::size_t weight) {
    {
      const std::lock_guard lock(mutex_);
      if (is_closed_) return;
      while (!items_.empty() && (items_.size() >= bounds_.items || weight_ + weight > bounds_.weight)) {
        drop_first();
        ++lost_;
      }
      weight_ += weight;
      items_.emplace_back(std::move(item), weight);
    }
    changed_.notify_one();
  }

  // Waits until there is an item, then at most `patience` for as many as `most` allows, and gives them in their order.
  // Empty: closed, and all was taken.
  std::vector<T> take(Bounds most, std::chrono::nanoseconds patience) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_closed_ || !items_.empty(); });
    changed_.wait_for(lock, patience,
                      [this, &most] { return is_closed_ || items_.size() >= most.items || weight_ >= most.weight; });
    std::vector<T> taken;
    std::size_t taken_weight = 0;
    while (!items_.empty() && taken.size() < most.items &&
           (taken.empty() || taken_weight + items_.front().second <= most.weight)) {
      taken_weight += items_.front().second;
      taken.push_back(std::move(items_.front().first));
      drop_first();
    }
    return taken;
  }

  // Nothing more comes; what is there may still be taken.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      is_closed_ = true;
    }
    changed_.notify_all();
  }

  // How many items were lost because it was full.
  std::uint64_t lost() const {
    const std::lock_guard lock(mutex_);
    return lost_;
  }

 private:
  void drop_first() {
    weight_ -= items_.front().second;
    items_.pop_front();
  }

  const Bounds bounds_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<T, std::size_t>> items_;
  std::size_t weight_ = 0;
  std::uint64_t lost_ = 0;
  bool is_closed_ = false;
};

}  // namespace rivera::base
