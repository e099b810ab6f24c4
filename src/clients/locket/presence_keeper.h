// Keeping a cell's presence in Locket: what makes it exist for the BBS.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/asio.h"
#include "base/log/log.h"
#include "clients/locket/locket_client.h"

namespace rivera::clients {

struct PresenceKeeperOptions {
  std::string key = {};  // the cell id
  // A restarted cell with another owner has to wait until its old presence has expired; with the same owner (kept in a
  // file) it is back at once.
  std::string owner = {};
  std::string value = {};  // CellPresence JSON, at most 4096 characters
  std::chrono::seconds ttl{15};
  // Between refreshes; at most a third of the TTL is waited once the presence is established.
  std::chrono::nanoseconds retry_interval = std::chrono::seconds(5);
};

// Establishes a presence and refreshes it until it is stopped: a collision, an expiry or an absent Locket never end it;
// it is taken again as soon as possible (docs/spec/locket-and-auction.md §1.14). While it is not established it is
// tried every second.
//
// Lives on `executor` (a strand or a single-threaded context).
class PresenceKeeper {
 public:
  PresenceKeeper(asio::any_io_executor executor, LocketClient& locket, PresenceKeeperOptions options,
                 base::Logger logger);
  // Stops refreshing; does not release.
  ~PresenceKeeper();

  // Begins to keep it. Call it once.
  void start();
  // Returns when it has been established for the first time.
  asio::awaitable<void> established();
  // True while the last refresh succeeded.
  bool is_established() const;
  // Takes another value at the next refresh, which is made at once.
  void set_value(std::string value);
  // Stops and gives the presence up, so that the BBS notices the cell's end at once. At most 5 s; failures are logged
  // only.
  asio::awaitable<void> release();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace rivera::clients
