// Background coroutines with an owner: nothing runs that nobody waits for.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/asio.h"
#include "base/log/log.h"

namespace rivera::base {

// A set of coroutines that are cancelled and awaited together. An exception that leaves one of them is logged as an
// error under its name and ends that coroutine only; cancellation is not logged.
//
// Used on `executor` alone, which must run one thing at a time (a strand or a single-threaded context). The owner calls
// `co_await stop()` before it goes away; the destructor cancels what is left, and the coroutines must then not outlive
// what they refer to.
class TaskGroup {
 public:
  TaskGroup(asio::any_io_executor executor, Logger logger);
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  void spawn(std::string name, asio::awaitable<void> work);

  // Cancels every coroutine (each sees operation_aborted at its next await). Returns at once.
  void cancel();
  // Waits until all have ended by themselves.
  asio::awaitable<void> join();
  asio::awaitable<void> stop();

  std::size_t size() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace rivera::base
