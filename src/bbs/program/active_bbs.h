// The BBS that holds the lock: everything that serves the API's port.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/asio.h"
#include "base/clock.h"
#include "base/log/log.h"
#include "base/work/worker_pool.h"
#include "bbs/api/access_log.h"
#include "bbs/api/bbs_probe.h"
#include "bbs/ledger/ledger.h"
#include "bbs/outgoing/cells.h"
#include "bbs/outgoing/has_lock.h"
#include "bbs/program/config.h"
#include "clients/loggregator_client.h"

namespace rivera::bbs {

// Lives on `home`, a strand or a single-threaded context.
//
//   ActiveBbs active(...); co_await active.start(); ... co_await active.stop(grace);
class ActiveBbs {
 public:
  struct Dependencies {
    asio::any_io_executor home;
    base::WorkerPool& workers;
    Store& store;
    Cells& cells;
    const base::Clock& clock;
    BbsProbe& probe;
    base::Logger logger;
    HasLock has_lock;
    std::function<void(const std::string& reason)> give_up;  // must end the process with status 1
    clients::LoggregatorClient& loggregator;                 // for messages about applications
    const AccessLog* access_log = nullptr;                   // null: no access log
  };

  ActiveBbs(Dependencies dependencies, const Config& config);
  ~ActiveBbs();

  // Listens, answering 503; begins a term in the store; loads the records; then serves (docs/spec/bbs.md §1.4, §7.3).
  // Throws what Store throws, and std::runtime_error if it cannot listen on the address.
  asio::awaitable<void> start();
  // The address of the API with its real port; once started.
  std::string address() const;
  // Method and path of every route of the API, sorted.
  std::vector<std::pair<std::string, std::string>> routes() const;
  // Runs convergence now, without waiting for its time.
  asio::awaitable<void> converge();

  // Ends the event streams, gives running requests `grace` to end, and makes all decisions durable. Call it once.
  asio::awaitable<void> stop(std::chrono::nanoseconds grace);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace rivera::bbs
