// The component: locks and presences over gRPC, kept in a database.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/asio.h"
#include "base/log/log.h"
#include "base/work/worker_pool.h"
#include "locket/config.h"

namespace rivera::locket {

// All of Locket's parts, in their order. Lives on `executor` (a strand or a single-threaded context).
class Locket {
 public:
  // `stop(exit_status)` is called when Locket finds that it cannot go on.
  Locket(asio::any_io_executor executor, base::WorkerPool& workers, Config config, base::Logger logger,
         std::function<void(int)> stop);
  ~Locket();

  // Opens the database, makes the tables, takes in what is stored, then serves. Logs the reason and throws if it cannot
  // (docs/spec/locket-and-auction.md §1.12).
  asio::awaitable<void> start();
  // The gRPC address with its real port.
  std::string address() const;
  // Finishes the running calls, at most 10 s, and ends. Nothing if it was not started.
  asio::awaitable<void> stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rivera::locket
