// Waiting, for coroutines: for a time, for a condition, with a deadline.
//
// Everything here belongs to one executor that runs one thing at a time (a strand or a single-threaded context).
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/asio.h"
#include "base/work/cancellation.h"

namespace rivera::base {

// A deadline passed; the message says what was being done and for how long.
class DeadlineExceeded : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

asio::awaitable<void> sleep_for(std::chrono::nanoseconds duration);

// What another coroutine on the same executor can wake. Spurious wake-ups are possible: wait in a loop on a predicate.
class Condition {
 public:
  explicit Condition(asio::any_io_executor executor);
  asio::awaitable<void> wait();
  // False if `timeout` passed first.
  asio::awaitable<bool> wait_for(std::chrono::nanoseconds timeout);
  void notify_all();

 private:
  asio::steady_timer timer_;
};

// A bounded queue between coroutines of one executor.
template <typename T>
class Queue {
 public:
  Queue(asio::any_io_executor executor, std::size_t capacity) : changed_(std::move(executor)), capacity_(capacity) {}

  // False, and nothing happens, if the queue is full or closed.
  bool try_push(T item) {
    if (closed_ || items_.size() >= capacity_) return false;
    items_.push_back(std::move(item));
    changed_.notify_all();
    return true;
  }

  // The next item; nullopt once the queue is closed and empty.
  asio::awaitable<std::optional<T>> pop() {
    while (items_.empty() && !closed_) co_await changed_.wait();
    if (items_.empty()) co_return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    co_return item;
  }

  // Whatever is queued at the moment, without waiting.
  std::optional<T> try_pop() {
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    return item;
  }

  void close() {
    closed_ = true;
    changed_.notify_all();
  }
  std::size_t size() const { return items_.size(); }
  bool is_closed() const { return closed_; }

 private:
  Condition changed_;
  std::size_t capacity_;
  std::deque<T> items_;
  bool closed_ = false;
};

std::string deadline_message(const std::string& what, std::chrono::nanoseconds limit);

// Runs `work` and gives its result; after `limit` cancels it and throws DeadlineExceeded("<what>: no answer within
// 5s"). Cancelling the caller cancels `work`.
template <typename T>
asio::awaitable<T> within(std::chrono::nanoseconds limit, std::string what, asio::awaitable<T> work) {
  struct Guard {
    asio::cancellation_signal signal;
    bool expired = false;
  };
  auto executor = co_await asio::this_coro::executor;
  auto parent = co_await asio::this_coro::cancellation_state;
  auto guard = std::make_shared<Guard>();
  asio::steady_timer timer(executor, limit);
  timer.async_wait([guard](error_code ec) {
    if (ec) return;
    guard->expired = true;
    guard->signal.emit(asio::cancellation_type::terminal);
  });
  if (parent.slot().is_connected()) {
    parent.slot().assign([guard](asio::cancellation_type type) { guard->signal.emit(type); });
  }
  try {
    auto token = asio::bind_cancellation_slot(guard->signal.slot(), asio::use_awaitable);
    if constexpr (std::is_void_v<T>) {
      co_await asio::co_spawn(executor, std::move(work), token);
      parent.slot().clear();
      timer.cancel();
    } else {
      T result = co_await asio::co_spawn(executor, std::move(work), token);
      parent.slot().clear();
      timer.cancel();
      co_return result;
    }
  } catch (const boost::system::system_error& e) {
    parent.slot().clear();
    if (guard->expired && is_cancellation(e)) {
      throw DeadlineExceeded(deadline_message(what, limit));
    }
    throw;
  }
}

}  // namespace rivera::base
