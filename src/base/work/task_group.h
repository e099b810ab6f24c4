// Background coroutines with an owner: each one is awaited before its owner ends.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/asio.h"
#include "base/log/log.h"

namespace rivera::base {

// A set of coroutines that are cancelled and awaited together.
//
// Used on `executor` alone, which must run one thing at a time (a strand or a single-threaded context). The owner calls
// `co_await stop()` before it is destroyed; the destructor cancels what is left, and the coroutines must then not
// outlive what they refer to.
class TaskGroup {
 public:
  TaskGroup(asio::any_io_executor executor, Logger logger);
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // Starts a coroutine; after cancel() nothing happens. An exception that leaves it is logged as an error
  // ("<name>.failed") and ends this coroutine only. The cancellation of the group is not logged.
  void spawn(std::string name, asio::awaitable<void> work);

  // The same for a coroutine without which the process is useless: a loop that accepts, writes, converges or
  // synchronises. An exception that leaves it ends the process as end_process() does, unless the group has been
  // cancelled; so does operation_aborted from elsewhere. It may return.
  void spawn_critical(std::string name, asio::awaitable<void> work);

  // Cancels every coroutine (each sees operation_aborted at its next await). Returns at once.
  void cancel();
  // Waits until all have ended by themselves.
  asio::awaitable<void> join();
  asio::awaitable<void> stop();

  std::size_t size() const;

 private:
  struct State;
  void start(std::string name, asio::awaitable<void> work, bool is_critical);
  std::shared_ptr<State> state_;
};

}  // namespace rivera::base
