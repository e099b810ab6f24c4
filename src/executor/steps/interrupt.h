// Interruption of a part of a coroutine's work from outside, without cancelling the coroutine.
#pragma once

#include <list>
#include <memory>
#include <stdexcept>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>

#include "base/asio.h"
#include "base/work/cancellation.h"

namespace rivera::executor {

// The work was interrupted.
class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("cancelled") {}
};

// Raised at most once and never reset. Used on one strand. Must outlive the work that it guards.
class Interrupt {
 public:
  Interrupt() = default;
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool raised() const { return raised_; }

  // Cancels all guarded work. Work that is at a point where it cannot be cancelled continues up to the next one.
  void raise() {
    raised_ = true;
    const auto running = running_;  // emitting may end work, which removes itself from the list
    for (const auto& signal : running) signal->emit(asio::cancellation_type::terminal);
  }

  // Runs `work` and returns its result. Throws Interrupted if raise() is called before it ends. Cancelling the caller
  // cancels `work` too.
  template <typename T>
  asio::awaitable<T> guard(asio::awaitable<T> work) {
    if (raised_) throw Interrupted();
    auto signal = std::make_shared<asio::cancellation_signal>();
    auto executor = co_await asio::this_coro::executor;
    auto parent = co_await asio::this_coro::cancellation_state;
    if (parent.slot().is_connected()) {
      parent.slot().assign([signal](asio::cancellation_type type) { signal->emit(type); });
    }
    Registration registration(*this, signal, parent.slot());
    try {
      auto token = asio::bind_cancellation_slot(signal->slot(), asio::use_awaitable);
      if constexpr (std::is_void_v<T>) {
        co_await asio::co_spawn(executor, std::move(work), token);
      } else {
        T result = co_await asio::co_spawn(executor, std::move(work), token);
        co_return result;
      }
    } catch (const std::exception& e) {
      if (raised_ && base::is_cancellation(e)) throw Interrupted();
      throw;
    }
  }

 private:
  using Signals = std::list<std::shared_ptr<asio::cancellation_signal>>;

  struct Registration {
    Registration(Interrupt& in, std::shared_ptr<asio::cancellation_signal> signal, asio::cancellation_slot parent_slot)
        : interrupt(in), at(in.running_.insert(in.running_.end(), std::move(signal))), slot(parent_slot) {}
    ~Registration() {
      interrupt.running_.erase(at);
      slot.clear();
    }
    Interrupt& interrupt;
    Signals::iterator at;
    asio::cancellation_slot slot;
  };

  bool raised_ = false;
  Signals running_;
};

}  // namespace rivera::executor
