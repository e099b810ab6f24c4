// Removes expired locks and presences.
#pragma once

#include <chrono>

#include "base/asio.h"
#include "base/log/log.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "base/work/worker_pool.h"
#include "locket/locks/expiry_table.h"
#include "locket/locks/lock_journal.h"
#include "locket/locks/lock_store.h"
#include "locket/locks/locket_probe.h"

namespace rivera::locket {

// Reads every row at the start and every second, and thereby learns of refreshes through other nodes. Deletes each row
// whose time to live has passed since this node first saw its current state (docs/spec/locket-and-auction.md §1.8).
// Lives on `executor` (a strand or a single-threaded context).
class ExpiryLoop {
 public:
  ExpiryLoop(asio::any_io_executor executor, base::WorkerPool& workers, sql::Database& database, const LockStore& store,
             LockJournal& journal, LocketProbe& probe, base::Logger logger);

  // Reads the stored rows, then starts. A failure to read is logged; the next reading compensates for it.
  asio::awaitable<void> start();
  asio::awaitable<void> stop();

  // A lock was acquired or refreshed through this node.
  void observe(const LockRecord& record);
  // A lock was released through this node.
  void forget(const std::string& key, const std::string& modified_id);

 private:
  asio::awaitable<void> read_all();
  asio::awaitable<void> reading_loop();
  asio::awaitable<void> releasing_loop();
  asio::awaitable<void> wait_for_next();
  asio::awaitable<void> release(LockRecord due);
  void log_outcome(const LockRecord& record, ReleaseOutcome outcome);

  base::WorkerPool& workers_;
  sql::Database& database_;
  const LockStore& store_;
  LockJournal& journal_;
  LocketProbe& probe_;
  base::Logger logger_;
  ExpiryTable table_;
  base::Condition next_expiry_changed_;  // an entry may expire earlier than the one that is waited for
  base::TaskGroup tasks_;
};

}  // namespace rivera::locket
