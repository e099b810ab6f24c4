// A fleet of simulated cells against real components, measured.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "simulation/real/program_process.h"
#include "simulation/real/real_cluster.h"

namespace rivera::simulation {

struct RealOptions {
  std::size_t cells = 1'250;
  std::size_t zones = 3;
  std::size_t instances = 100'000;
  std::size_t processes = 1'000;  // that have the instances, as evenly as possible
  sql::Engine engine = sql::Engine::kSqlite;
  std::chrono::milliseconds start_time{0};  // from claim to start, on each cell
  std::int64_t starting_limit = 0;          // 0: none
  std::chrono::seconds timeout{600};        // for all to run
  std::filesystem::path programs;           // the directory of locket, bbs and auctioneer; empty: our own
  bool as_json = false;
};

// A milestone, in seconds since the first request that desires an LRP.
struct Milestone {
  std::string what;
  double seconds = 0;
};

struct CallTimes {
  std::size_t calls = 0;
  double mean_ms = 0;
  double p50_ms = 0;
  double p99_ms = 0;
};

struct Auctions {
  std::size_t batches = 0;
  double state_seconds = 0;  // sum of the times to fetch the cells' states
  double longest_state_seconds = 0;
};

struct RealResult {
  double components_seconds = 0;  // until locket, auctioneer and bbs are up
  double presence_seconds = 0;    // until the BBS lists every cell
  std::vector<Milestone> milestones;
  double total_seconds = 0;  // until the BBS shows every instance RUNNING
  std::size_t running = 0;
  std::size_t rejected = 0;  // by cells
  std::size_t given_up = 0;
  std::string last_failure;
  CallTimes claims;
  CallTimes starts;
  Auctions auctions;
  std::size_t state_requests = 0;
  std::vector<std::pair<std::string, ProcessUse>> use;  // between first request and last instance; memory: the peak
};

// Throws std::runtime_error if a component does not start. Instances that do not run before the timeout are no error:
// see the result. Calls `progress` with a line from time to time.
RealResult run_real(const RealOptions& options, const std::function<void(const std::string&)>& progress);

}  // namespace rivera::simulation
