// Watching that the database still takes writes (docs/spec/locket-and-auction.md §1.13). Opt-in.
#pragma once

#include <functional>

#include "base/asio.h"
#include "base/log/log.h"
#include "locket/config.h"
#include "locket/locks/lock_journal.h"
#include "sql/database.h"

namespace rivera::locket {

// Makes the table `locket_health_check`. Blocks.
void create_health_check_table(sql::Connection& connection);

// Every interval writes the time and reads it back, several attempts back to back; calls `failed` when all of them have
// failed, and ends. Runs until cancelled. The journal must outlive it.
asio::awaitable<void> run_health_checks(LockJournal& journal, Config config, base::Logger logger,
                                        std::function<void()> failed);

}  // namespace rivera::locket
