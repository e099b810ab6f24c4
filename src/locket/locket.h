// The component: locks and presences over gRPC, stored in a database.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/asio.h"
#include "base/log/log.h"
#include "base/work/worker_pool.h"
#include "locket/config.h"

namespace rivera::locket {

// All parts of Locket, started in order and stopped in reverse. Lives on `executor` (a strand or a single-threaded
// context).
class Locket {
 public:
  // `stop(exit_status)` is called when Locket cannot continue.
  Locket(asio::any_io_executor executor, base::WorkerPool& workers, Config config, base::Logger logger,
         std::function<void(int)> stop);
  ~Locket();

  // Opens the database, creates the tables, reads the stored locks, then serves. Logs the reason and throws on failure
  // (docs/spec/locket-and-auction.md §1.12).
  asio::awaitable<void> start();
  // The gRPC address with its real port.
  std::string address() const;
  // Finishes the running calls, in at most 10 s, and ends. Does nothing if Locket was not started.
  asio::awaitable<void> stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rivera::locket
