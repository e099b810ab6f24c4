// The BBS as a process: standby, active, shutdown.
#pragma once

#include "base/asio.h"
#include "base/process/program.h"
#include "bbs/program/config.h"
#include "clients/locket/lock_keeper.h"

namespace rivera::bbs {

// Runs until the program is asked to stop or the lock is lost (then with exit status 1). Start order as in
// docs/spec/bbs.md §7.3: nothing listens on the API's port before the lock is held. Throws what makes a start
// impossible.
asio::awaitable<void> run_bbs(base::Program& program, Config config);

// The lock that makes a BBS the active one.
clients::LockKeeperOptions lock_options(const Config& config);

// Reads every file the configuration names. Throws std::runtime_error or std::invalid_argument naming what is wrong.
void check_config(const Config& config);

}  // namespace rivera::bbs
