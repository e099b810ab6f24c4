// Locket's four operations (docs/spec/locket-and-auction.md §1.4).
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/asio.h"
#include "base/log/log.h"
#include "locket/locks/expiry_loop.h"
#include "locket/locks/lock_journal.h"
#include "locket/locks/lock_reads.h"
#include "locket/locks/lock_store.h"
#include "locket/locks/locket_probe.h"
#include "models/locket.h"

namespace rivera::locket {

// The id of a call in the logs, from the metadata "uuid"; may be empty.
struct CallInfo {
  std::string request_uuid;
};

// Turns requests into writes and reads. Acknowledges durable writes only. Operations throw only RpcError.
//
// Lives on one strand. A request and its response must live until the operation has ended.
class LockService {
 public:
  struct Parts {
    sql::Engine engine;
    const LockStore& store;
    LockJournal& journal;
    LockReads& reads;
    ExpiryLoop& expiry;
    LocketProbe& probe;
  };

  // `unrecoverable` is called when the table is missing: an operator must act.
  LockService(Parts parts, std::chrono::nanoseconds operation_timeout, base::Logger logger,
              std::function<void()> unrecoverable);

  asio::awaitable<void> lock(CallInfo call, const locket_api::LockRequest& request, locket_api::LockResponse& response);
  asio::awaitable<void> release(CallInfo call, const locket_api::ReleaseRequest& request,
                                locket_api::ReleaseResponse& response);
  asio::awaitable<void> fetch(CallInfo call, const locket_api::FetchRequest& request,
                              locket_api::FetchResponse& response);
  // All resources of the type, or an error: never some of them.
  asio::awaitable<void> fetch_all(CallInfo call, const locket_api::FetchAllRequest& request,
                                  locket_api::FetchAllResponse& response);

 private:
  // Runs one operation with its metrics; converts every failure to an RpcError.
  asio::awaitable<void> measured(RequestType type, const base::Logger& logger, asio::awaitable<void> operation);
  RpcError to_rpc_error(const base::Logger& logger);
  RpcError to_rpc_error(const sql::Error& error, const base::Logger& logger);

  asio::awaitable<void> do_lock(const base::Logger& logger, const locket_api::LockRequest& request);
  asio::awaitable<void> do_release(const base::Logger& logger, const locket_api::Resource& resource);
  asio::awaitable<void> do_fetch(const std::string& key, locket_api::FetchResponse& response);
  asio::awaitable<void> do_fetch_all(const locket_api::FetchAllRequest& request,
                                     locket_api::FetchAllResponse& response);

  Parts parts_;
  std::chrono::nanoseconds operation_timeout_;
  base::Logger logger_;
  std::function<void()> unrecoverable_;
};

}  // namespace rivera::locket
