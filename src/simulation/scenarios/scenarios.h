// Rivera's own scenarios, at any scale.
#pragma once

#include <vector>

#include "simulation/scenarios/scenario.h"

namespace rivera::simulation {

struct Scale {
  std::size_t cells = 1'250;
  std::size_t zones = 3;
  std::size_t instances = 250'000;     // on a full cluster
  std::int64_t cell_memory = 128'000;  // MB
  std::int64_t cell_disk = 500'000;    // MB
  std::int64_t cell_containers = 250;
  std::int64_t proxy_memory = 32;  // MB
};

struct RollingOptions {
  std::size_t max_in_flight = 125;                        // cells evacuating or being replaced at once
  SimTime evacuation_timeout = std::chrono::minutes(10);  // of one cell
  SimTime replacement_time = std::chrono::minutes(3);     // from an empty cell to its successor
};

// Throws std::invalid_argument for an impossible scale.
std::vector<ScenarioSource> own_scenarios(const Scale& scale, const TimelineOptions& options);

// Evacuates and replaces each cell of a loaded cluster, zone by zone, a limited number at a time.
Scenario rolling_upgrade(const Scale& scale, const TimelineOptions& options, const RollingOptions& rolling);

}  // namespace rivera::simulation
