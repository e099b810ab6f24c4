// Deletes interfaces in the background.
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "base/work/task_group.h"
#include "base/work/worker_pool.h"
#include "garden/host/context.h"

namespace rivera::garden {

// The kernel needs tens of milliseconds to delete an interface, and one deletion waits for the other; but the name is
// gone at once, and several interfaces take no longer than one. So all that are to be deleted at a time are deleted
// together, by a thread of their own, and those who asked continue when the names are gone. Used on the garden's
// executor.
class LinkDeletions {
 public:
  explicit LinkDeletions(const Context& context);

  // Returns when no interface has these names any more. Without error for those that there are not. Throws
  // std::system_error.
  asio::awaitable<void> remove(std::vector<std::string> names);
  // The deletions that have begun end with the object.
  asio::awaitable<void> stop();

 private:
  struct Request {
    std::vector<std::string> names;
    bool is_done = false;
    std::exception_ptr failure;
  };
  asio::awaitable<void> work();

  const Context& context_;
  std::vector<std::shared_ptr<Request>> waiting_;
  bool is_working_ = false;
  base::WorkerPool thread_{1};
  base::TaskGroup background_;
};

}  // namespace rivera::garden
