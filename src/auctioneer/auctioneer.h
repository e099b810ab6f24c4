// The whole auctioneer: the lock, the auctions and the API.
#pragma once

#include <functional>
#include <memory>

#include "auctioneer/config.h"
#include "base/asio.h"
#include "base/log/log.h"
#include "base/work/worker_pool.h"

namespace rivera::auctioneer {

// Only the auctioneer that holds the lock listens and places work; the others wait for the lock, without a listening
// socket (docs/spec/locket-and-auction.md §2.5).
//
//   Auctioneer auctioneer(executor, workers, config, logger, [&](std::string why) { ... stop with status 1 ... });
//   co_await auctioneer.start();   // returns at once; the lock may take a while
//   ...
//   co_await auctioneer.stop();
//
// Lives on `executor`, which must run one thing at a time.
class Auctioneer {
 public:
  // `on_failure` is called once, on `executor`, when the auctioneer cannot continue: Locket cannot be reached at the
  // start, the address is in use, the lock is lost. Throws std::runtime_error naming a bad TLS file.
  Auctioneer(asio::any_io_executor executor, base::WorkerPool& workers, Config config, base::Logger logger,
             std::function<void(std::string)> on_failure);
  ~Auctioneer();

  // Opens the debug address and starts to acquire the lock. Throws std::runtime_error.
  asio::awaitable<void> start();

  // Stops in order: the requests, the auctions, then releases the lock unless it was lost. Takes a few seconds at most.
  asio::awaitable<void> stop();

  bool is_active() const;
  // The API's address, "127.0.0.1:41234"; "" while passive.
  std::string address() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rivera::auctioneer
