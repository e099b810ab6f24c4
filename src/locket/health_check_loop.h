// Checks that the database accepts writes (docs/spec/locket-and-auction.md §1.13). Opt-in.
#pragma once

#include <functional>

#include "base/asio.h"
#include "base/log/log.h"
#include "locket/config.h"
#include "locket/locks/lock_journal.h"
#include "sql/database.h"

namespace rivera::locket {

// Creates the table `locket_health_check`. Blocks.
void create_health_check_table(sql::Connection& connection);

// At every interval writes the time and reads it back. After several failed attempts in a row, a fifth of the
// timeout apart at least, calls `failed` and ends. These times vary by a quarter.
// Runs until cancelled. The journal must outlive it.
asio::awaitable<void> run_health_checks(LockJournal& journal, Config config, base::Logger logger,
                                        std::function<void()> failed);

}  // namespace rivera::locket
