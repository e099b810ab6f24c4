// Upstream's simulation suite (docs/spec/locket-and-auction.md §5.1, §5.2): 37 cases with its assertions.
#pragma once

#include <vector>

#include "simulation/scenarios/scenario.h"

namespace rivera::simulation {

// `seed` determines what upstream draws at random.
std::vector<Scenario> upstream_scenarios(unsigned seed);

}  // namespace rivera::simulation
