// `bbs -export` and `bbs -import`.
#pragma once

#include <string>

#include "base/asio.h"
#include "base/process/program.h"
#include "bbs/program/config.h"

namespace rivera::bbs {

// Writes all records to `path` (store_dump.h), a file that only its owner can read; it appears once it is whole. "-" is
// standard output. Progress goes to standard error. Throws what export_records() throws, and std::system_error. Blocks.
void run_export(const Config& config, const std::string& path);

// Reads them from `path`, or from standard input if it is "-". Holds the BBS's lock meanwhile, so that no BBS, not even
// upstream's, is active; waits for the lock as long as it may outlive its holder. Throws what import_records()
// throws, and std::runtime_error if the lock is held or Locket cannot be reached.
asio::awaitable<void> run_import(base::Program& program, Config config, std::string path, bool replace);

}  // namespace rivera::bbs
