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
  std::size_t processes = 1'000;  // that have them, as evenly as can be
  sql::Engine engine = sql::Engine::kSqlite;
  std::chrono::milliseconds start_time{0};  // from claim to start, on each cell
  std::int64_t starting_limit = 0;          // 0: none
  std::chrono::seconds patience{600};       // for all to run
  std::filesystem::path programs;           // the directory of locket, bbs and auctioneer; empty: our own
  bool as_json = false;
};

// A step, and the second in which it was done, counted from the first request that desires something.
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
  double state_seconds = 0;  // asking the cells, summed
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

// Throws std::runtime_error if the components do not come up. Instances that do not run within the patience are no
// error: the result tells. `progress` is told a line now and then.
RealResult run_real(const RealOptions& options, const std::function<void(const std::string&)>& progress);

}  // namespace rivera::simulation
