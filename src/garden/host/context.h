// What the objects of the garden share.
#pragma once

#include <type_traits>
#include <utility>

#include "base/asio.h"
#include "base/log/log.h"
#include "base/work/worker_pool.h"
#include "garden/host/host.h"
#include "garden/host/options.h"

namespace rivera::garden {

// Owned by the Gardener and outlives every part of it.
struct Context {
  asio::any_io_executor executor;  // runs one thing at a time; every object of the garden is used on it alone
  base::WorkerPool& workers;
  Options options;
  Host host;
  base::Logger logger;

  // Runs `work` on a worker thread and resumes the caller with what it returned or threw. Everything that blocks goes
  // through here: files, mounts, control groups, child processes. Pass a named closure that is moved in: g++ 12
  // destroys a closure that is a temporary of a co_await expression twice.
  template <typename Work>
  asio::awaitable<std::invoke_result_t<Work>> on_worker(Work work) const {
    return workers.run(std::move(work));
  }
};

}  // namespace rivera::garden
