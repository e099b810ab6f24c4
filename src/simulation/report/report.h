// The results of simulations as a table and as an HTML page.
#pragma once

#include <string>
#include <vector>

#include "simulation/scenarios/scenario.h"

namespace rivera::simulation {

// One line for each result, for a terminal of 130 columns or more.
std::string table_of(const std::vector<ScenarioResult>& results);

// A self-contained HTML page, without scripts or other files.
std::string page_of(const std::vector<ScenarioResult>& results);

}  // namespace rivera::simulation
