// Several threads that work through what one thread finds, for calls that block anyway.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace rivera::base {

// Lives within one blocking call; used by the thread that made it:
//
//   ParallelConsumer<Chunk> consumer(2, [&](Chunk chunk, std::size_t thread) { ... });
//   while (...) consumer.push(...);
//   consumer.finish();
template <typename Item>
class ParallelConsumer {
 public:
  // `consume(item, thread)` runs on `threads` threads at once; `thread` counts from 0, so that each can have results of
  // its own.
  ParallelConsumer(std::size_t threads, std::function<void(Item, std::size_t)> consume)
      : limit_(4 * threads), consume_(std::move(consume)) {
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this, i] { work(i); });
  }
  // Drops what has not been begun.
  ~ParallelConsumer() {
    {
      const std::lock_guard lock(mutex_);
      items_.clear();
    }
    close();
  }
  ParallelConsumer(const ParallelConsumer&) = delete;
  ParallelConsumer& operator=(const ParallelConsumer&) = delete;

  // Waits while more than a few items are queued, so that memory stays bounded. Throws what `consume` has thrown.
  void push(Item item) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return items_.size() < limit_ || failure_; });
    if (failure_) std::rethrow_exception(failure_);
    items_.push_back(std::move(item));
    changed_.notify_all();
  }

  // Waits until everything has been consumed. Throws what `consume` has thrown. Nothing may be pushed afterwards.
  void finish() {
    close();
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  void work(std::size_t thread) {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return !items_.empty() || closed_; });
      if (items_.empty()) return;
      Item item = std::move(items_.front());
      items_.pop_front();
      changed_.notify_all();
      lock.unlock();
      std::exception_ptr failure;
      try {
        consume_(std::move(item), thread);
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      if (!failure) continue;
      if (!failure_) failure_ = failure;
      items_.clear();
      changed_.notify_all();
    }
  }

  const std::size_t limit_;
  const std::function<void(Item, std::size_t)> consume_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> items_;
  bool closed_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;
};

}  // namespace rivera::base
