// The BBS that holds the lock: everything behind the API's port.
#pragma once

#include <functional>
#include <memory>
#include <string>

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
  struct Surroundings {
    asio::any_io_executor home;
    base::WorkerPool& workers;
    Store& store;
    Cells& cells;
    const base::Clock& clock;
    BbsProbe& probe;
    base::Logger logger;
    HasLock has_lock;
    std::function<void(const std::string& reason)> give_up;  // the process is to end with status 1
    clients::LoggregatorClient& loggregator;                 // for what concerns an application
    const AccessLog* access_log = nullptr;                   // null: none is kept
  };

  ActiveBbs(Surroundings surroundings, const Config& config);
  ~ActiveBbs();

  // Listens, answering 503; begins a term in the store; loads the records; then serves (docs/spec/bbs.md §1.4, §7.3).
  // Throws what Store throws, and std::runtime_error if the address cannot be had.
  asio::awaitable<void> start();
  // The address of the API with its real port; once started.
  std::string address() const;
  // Runs convergence now, without waiting for its time.
  asio::awaitable<void> converge();

  // Ends the event streams, gives running requests `grace` to end, makes durable what was decided. Call it once.
  asio::awaitable<void> stop(std::chrono::nanoseconds grace);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace rivera::bbs
